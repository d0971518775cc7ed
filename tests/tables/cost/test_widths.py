"""Latencies by the widths of layers: a known law is recovered, and never falls with a width."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spaces.elastic import ElasticSpace, from_network
from spaces.elastic.sampling import sample_sizes
from tables.cost.widths import fit_widths, width_model
from tables.errors import InvalidTable

pytest.importorskip("torch_pruning")
pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def space() -> ElasticSpace:
    """The space of a chain of three convolutions."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 48, 3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 4),
    )
    return from_network(network, torch.zeros(1, 3, 8, 8), "elastic-chain")


def latencies(space: ElasticSpace, codes: np.ndarray) -> np.ndarray:
    """A law of the kind that is fitted, with other coefficients than the expected ones."""
    features = space.cost_features(codes)
    weights = np.linspace(0.5, 3.0, features.shape[1])
    result: np.ndarray = features @ weights
    return result


def test_law_without_noise_is_recovered_on_unseen_networks(space: ElasticSpace) -> None:
    rng = np.random.default_rng(0)
    codes = sample_sizes(space, rng, 120)

    model, fit = width_model(space, "latency_ms", codes[:80], latencies(space, codes[:80]))

    unseen = latencies(space, codes[80:])
    assert np.abs(model.estimate(codes[80:]) / unseen - 1).mean() < 0.01
    assert fit.mape(latencies(space, codes[:80])) < 0.01


def test_estimates_never_fall_with_a_width(space: ElasticSpace) -> None:
    rng = np.random.default_rng(1)
    codes = sample_sizes(space, rng, 60)
    values = latencies(space, codes) * rng.normal(1, 0.2, len(codes))

    model, _ = width_model(space, "latency_ms", codes, values)

    for column, count in enumerate(space.candidates):
        rows = np.repeat(codes[:1], count, axis=0)
        rows[:, column] = np.arange(count)
        # Later candidates are narrower.
        assert (np.diff(model.estimate(space.check(rows))) <= 1e-12).all()


def test_bounds_are_the_smallest_network_and_the_original(space: ElasticSpace) -> None:
    codes = sample_sizes(space, np.random.default_rng(2), 40)
    model, _ = width_model(space, "latency_ms", codes, latencies(space, codes))

    least, greatest = model.bounds()

    assert least.architecture == space.smallest
    assert greatest.architecture == space.original
    everything = model.estimate(sample_sizes(space, np.random.default_rng(3), 200))
    assert least.value <= everything.min()
    assert everything.max() <= greatest.value


def test_sigma_is_about_the_noise_of_the_networks(space: ElasticSpace) -> None:
    rng = np.random.default_rng(4)
    codes = sample_sizes(space, rng, 150)
    values = latencies(space, codes) + rng.normal(0, 0.05, len(codes))

    model, _ = width_model(space, "latency_ms", codes, values)

    assert model.sigma == pytest.approx(0.05, rel=0.4)


def test_disturbed_network_is_left_out(space: ElasticSpace) -> None:
    codes = sample_sizes(space, np.random.default_rng(5), 60)
    values = latencies(space, codes) * np.random.default_rng(6).normal(1, 0.005, len(codes))
    values[7] *= 2

    fit = fit_widths(space.cost_features(codes), values)

    assert not fit.kept[7]
    assert fit.kept.sum() >= 55


def test_too_few_networks_are_refused(space: ElasticSpace) -> None:
    codes = sample_sizes(space, np.random.default_rng(7), 5)

    with pytest.raises(InvalidTable, match="at least 12 measured networks, not 5"):
        width_model(space, "latency_ms", codes, latencies(space, codes))
