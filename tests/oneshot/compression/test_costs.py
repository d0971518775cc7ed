"""The latency of smaller networks, from rounds of measurements."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from oneshot.compression.costs import MeasuredDevice
from oneshot.compression.network_times import NetworkTimes
from spaces.elastic import from_network
from spaces.elastic.sampling import sample_sizes

pytest.importorskip("torch_pruning")
pytest.importorskip("scipy")


def test_disturbed_rounds_do_not_make_estimates_look_more_certain() -> None:
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 2))
    space = from_network(network, torch.zeros(1, 8), "elastic-layers")
    rng = np.random.default_rng(0)
    codes = sample_sizes(space, rng, 30)
    latencies = space.macs(codes) * rng.normal(1, 0.02, len(codes))
    ratios = latencies[:, None] * rng.normal(1, 0.01, (len(codes), 5))
    # The slowest round of each network, so that all medians are the same.
    disturbed = ratios.copy()
    disturbed[np.arange(len(codes)), ratios.argmax(axis=1)] *= 3

    def sigma(rounds: np.ndarray) -> float:
        model, _, _ = MeasuredDevice("here", [NetworkTimes(codes, rounds, 1.0)]).fit(space)
        return model.sigma

    assert sigma(disturbed) == pytest.approx(sigma(ratios), rel=0.1)
    # Most of the deviation is the latencies' own, not noise of the rounds.
    assert sigma(ratios) > 0.01 * latencies.mean()


def test_the_noise_of_measurements_stays_in_the_margin() -> None:
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 2))
    space = from_network(network, torch.zeros(1, 8), "elastic-layers")
    rng = np.random.default_rng(0)
    codes = sample_sizes(space, rng, 40)
    latencies = space.macs(codes).astype(float)
    ratios = latencies[:, None] * rng.normal(1, 0.1, (len(codes), 4))

    model, _, values = MeasuredDevice("here", [NetworkTimes(codes, ratios, 1.0)]).fit(space)
    # The network that is taken is measured with the same noise.
    noise = np.sqrt(((values / latencies - 1) ** 2).mean())
    assert model.sigma > 0.8 * noise * latencies.mean()
