"""More rounds of measurements where the machine is unsteady, and no more than help."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from oneshot.compression import network_times
from oneshot.compression.network_times import median_error, time_networks
from spaces.elastic import from_network
from spaces.elastic.sampling import sample_sizes

pytest.importorskip("torch_pruning")

ROUNDS = 4


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Function that measures ten networks on a machine of a given noise."""
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 2))
    space = from_network(network, torch.zeros(1, 8), "elastic-layers")
    codes = sample_sizes(space, np.random.default_rng(0), 10)
    latencies = space.macs(codes) / 1e3

    def measure(noise: float, rounds: int = ROUNDS) -> tuple[Any, Any]:
        def unsteady(_: Any, rounds: int, rng: np.random.Generator) -> Any:
            # The machine's state halves all latencies in every second round.
            states = np.where(np.arange(rounds) % 2, 0.5, 1.0) * np.ones((len(codes), 1))
            times = latencies[:, None] * states * rng.normal(1, noise, states.shape)
            return times, states, SimpleNamespace(reference_ms=2.0)

        monkeypatch.setattr(network_times, "time_with_references", unsteady)
        backend: Any = None
        times = time_networks(space, backend, codes, threads=1, rounds=rounds, seed=1)
        return times, latencies

    return measure


def test_a_steady_machine_is_measured_as_often_as_requested(measured: Any) -> None:
    times, latencies = measured(0.005)
    assert times.ratios.shape == (10, ROUNDS)
    assert np.median(times.ratios, axis=1) == pytest.approx(latencies, rel=0.02)


def test_an_unsteady_machine_is_measured_more_often(measured: Any) -> None:
    few, many = measured(0.045)[0], measured(0.2)[0]
    assert ROUNDS < few.ratios.shape[1] < 4 * ROUNDS
    assert many.ratios.shape == (10, 4 * ROUNDS)
    assert many.reference_ms == 2.0

    # Further rounds are others, not the first ones again.
    assert len(np.unique(many.ratios)) == many.ratios.size
    assert median_error(few.ratios) <= 0.015 < median_error(few.ratios[:, :ROUNDS])


def test_one_round_shows_no_deviation_that_further_ones_could_reduce(measured: Any) -> None:
    assert measured(0.2, rounds=1)[0].ratios.shape == (10, 1)
