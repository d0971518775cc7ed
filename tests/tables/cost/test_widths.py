"""Latencies by the widths of layers: known laws are recovered, and sums never fall with a width."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spaces.elastic import ElasticSpace, from_network
from spaces.elastic.sampling import sample_sizes
from tables.cost.widths import fit_sums, fit_widths, width_model
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


def test_law_of_rounded_widths_is_recovered(space: ElasticSpace) -> None:
    codes = sample_sizes(space, np.random.default_rng(0), 120)
    features = space.cost_features(codes, 16)
    values = features @ np.linspace(0.5, 3.0, features.shape[1])

    model, fit = width_model(space, "latency_ms", codes[:80], values[:80])

    assert fit.block == 16
    assert np.abs(model.estimate(codes[80:]) / values[80:] - 1).mean() < 0.01


def test_candidate_that_is_slower_than_a_wider_one_is_learned(space: ElasticSpace) -> None:
    codes = sample_sizes(space, np.random.default_rng(0), 120)
    # 40 of 64 channels take longer than 48, as where a runtime has no kernel for them.
    column = 1
    slow = list(space.choices[column].candidates).index("40")
    values = latencies(space, codes) * np.where(codes[:, column] == slow, 1.25, 1.0)
    values *= np.random.default_rng(1).normal(1, 0.003, len(codes))

    model, fit = width_model(space, "latency_ms", codes[:80], values[:80])

    assert fit.correction is not None
    assert np.abs(model.estimate(codes[80:]) / values[80:] - 1).mean() < 0.02
    assert fit.kept[codes[:80, column] == slow].all()
    rows = np.repeat(codes[:1], 2, axis=0)
    rows[:, column] = slow, slow - 1
    first, wider = model.estimate(space.check(rows))
    assert first > wider


def test_rounded_widths_are_exact_fractions(space: ElasticSpace) -> None:
    # Rounding 32, 64 and 48 channels to 16 changes nothing where all are multiples of it.
    code = [
        list(choice.candidates).index(str(int(choice.candidates[0]) // 2))
        for choice in space.choices
    ]
    codes = space.encode([space.original, space.architecture([code[0], code[1], 0])])

    features = space.cost_features(codes, 16)

    first_convolution = space.layers[0]
    assert first_convolution.macs == 3 * 32 * 9 * 64
    ratios = features[1] / features[0]
    # Of the first layer, whose outputs are halved, products are halved, exactly or rounded.
    assert (np.isclose(ratios, 0.5) | np.isclose(ratios, 1) | np.isclose(ratios, 0.25)).all()
    assert np.isclose(ratios, 0.25).sum() == 2


def test_sums_never_fall_with_a_width(space: ElasticSpace) -> None:
    rng = np.random.default_rng(1)
    codes = sample_sizes(space, rng, 60)
    values = latencies(space, codes) * rng.normal(1, 0.2, len(codes))

    sums = fit_sums(space.cost_features(codes, 16), values)

    for column, count in enumerate(space.candidates):
        rows = np.repeat(codes[:1], count, axis=0)
        rows[:, column] = np.arange(count)
        # Later candidates are narrower.
        costs = space.cost_features(space.check(rows), 16) @ sums.coefficients
        assert (np.diff(costs) <= 1e-12).all()


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
    values = latencies(space, codes) * rng.normal(1, 0.05, len(codes))

    model, _ = width_model(space, "latency_ms", codes, values)
    at_a_limit, _ = width_model(space, "latency_ms", codes, values, level=2.0)

    assert model.sigma == pytest.approx(0.05 * values.mean(), rel=0.4)
    assert at_a_limit.sigma == pytest.approx(2.0 * model.sigma / values.mean())


def test_disturbed_network_is_left_out(space: ElasticSpace) -> None:
    codes = sample_sizes(space, np.random.default_rng(5), 60)
    values = latencies(space, codes) * np.random.default_rng(6).normal(1, 0.005, len(codes))
    values[7] *= 2

    fit = fit_widths(space, codes, values)

    assert not fit.kept[7]
    assert fit.kept.sum() >= 55


def test_too_few_networks_are_refused(space: ElasticSpace) -> None:
    codes = sample_sizes(space, np.random.default_rng(7), 5)

    with pytest.raises(InvalidTable, match="at least 12 measured networks, not 5"):
        width_model(space, "latency_ms", codes, latencies(space, codes))


def test_latencies_at_several_input_sizes_are_learned_together() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 48, 3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 4),
    )
    example = torch.zeros(1, 3, 32, 32)
    space = from_network(network, example, "elastic-sizes", resolutions=(24, 16))
    codes = sample_sizes(space, np.random.default_rng(0), 100)
    # A start of each network, and a time for each product that depends on the size a little.
    values = 1e5 + space.macs(codes) * (1 + 0.1 * codes[:, 0])

    model, _ = width_model(space, "latency_ms", codes[:60], values[:60])

    errors = np.abs(model.estimate(codes[60:]) / values[60:] - 1)
    assert {0, 1, 2} == set(codes[60:, 0].tolist())
    assert errors.mean() < 0.03
