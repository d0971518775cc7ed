"""Samplers: uniform over what they say, from the seed and the update alone."""

import itertools
import json
import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot.errors import InvalidOption
from oneshot.samplers import Fair, SamplerSettings, Uniform, UniformCost
from oneshot.samplers.additive import AdditiveBins
from oneshot.samplers.cost import SPOS_MACS, edges_between
from oneshot.samplers.pools import PooledBins
from spaces import ChainSpace, SearchSpace
from tables import LookupTable
from tables.cost.model import counting_model

DRAWS = 10_000


def drawn(sampler: Any, count: int) -> np.ndarray:
    return np.concatenate([sampler.paths(step) for step in range(count)])


@pytest.fixture(scope="module")
def spos() -> SearchSpace:
    """The published space."""
    return spaces.get("spos")


@pytest.fixture(scope="module")
def by_flops(spos: SearchSpace) -> UniformCost:
    """SPOS's own bins."""
    sampler = SamplerSettings("uniform-flops").make(spos, 0)
    assert isinstance(sampler, UniformCost)
    return sampler


def test_flops_are_uniform_over_the_published_bins(
    spos: SearchSpace, by_flops: UniformCost
) -> None:
    """Redrawing the bin at every try gives shares of 1, 6, 20, 31, 28, 11 and 2 percent."""
    assert by_flops.edges.tolist() == list(SPOS_MACS)
    assert SPOS_MACS[0] == 290e6
    assert SPOS_MACS[-1] == 360e6
    macs = spos.macs(drawn(by_flops, DRAWS))
    assert macs.min() >= 290e6
    assert macs.max() < 360e6
    shares = np.histogram(macs, SPOS_MACS)[0] / DRAWS
    assert np.abs(shares - 1 / 7).max() < 0.02
    naive = (
        np.histogram(spos.macs(spos.sample(np.random.default_rng(0), DRAWS)), SPOS_MACS)[0] / DRAWS
    )
    assert np.abs(naive - 1 / 7).max() > 0.1  # plain uniform sampling would not pass


def test_paths_of_a_bin_are_uniform(small: ChainSpace) -> None:
    """All 64 networks are known: each of a bin comes as often as the others."""
    model = counting_model(small, "macs")
    every = next(small.enumerate_codes())
    costs = model.estimate(every)
    edges = edges_between(costs.min(), costs.max() + 1, 4)
    sampler = UniformCost(model, 3, edges)
    assert isinstance(sampler.bins, AdditiveBins)
    counts = Counter(map(tuple, drawn(sampler, DRAWS).tolist()))
    assert set(counts) == set(map(tuple, every.tolist()))
    inside = np.searchsorted(edges, costs, side="right") - 1
    for index in range(4):
        found = np.array([counts[tuple(row)] for row in every[inside == index].tolist()])
        expected = DRAWS / 4 / len(found)
        chi_square = float(((found - expected) ** 2 / expected).sum())
        assert chi_square < len(found) + 5 * np.sqrt(2 * len(found)) + 5


def test_latency_is_uniform_over_its_bins(tiny: ChainSpace, table: LookupTable) -> None:
    settings = SamplerSettings("uniform-latency", bins=5, table="made-up")
    sampler = settings.make(tiny, 0, load=lambda name: table)
    assert isinstance(sampler, UniformCost)
    assert sampler.model.metric == "latency_ms"
    latencies = table.cost_model(tiny).estimate(drawn(sampler, DRAWS))
    shares = np.histogram(latencies, sampler.edges)[0] / DRAWS
    assert np.abs(shares - 0.2).max() < 0.02


def test_costs_that_are_no_sums_are_sampled_from_pools() -> None:
    space = spaces.get("ofa-mobilenetv3")
    sampler = SamplerSettings("uniform-flops", bins=6).make(space, 0)
    assert isinstance(sampler, UniformCost)
    assert isinstance(sampler.bins, PooledBins)
    codes = drawn(sampler, DRAWS)
    assert space.check(codes) is not None
    shares = np.histogram(space.macs(codes), sampler.edges)[0] / DRAWS
    assert np.abs(shares - 1 / 6).max() < 0.02
    assert min(len(pool) for pool in sampler.bins.pools) >= 128


def test_rare_bins_are_filled_by_walking() -> None:
    """No uniform path comes near the least cost."""
    space = spaces.get("ofa-mobilenetv3")
    model = counting_model(space, "macs")
    least = model.bounds()[0].value
    sampled = model.estimate(space.sample(np.random.default_rng(0), 4096)).min()
    edge = least + 0.5 * (sampled - least)
    bins = PooledBins(model, np.array([least, edge, sampled]))
    assert all(len(pool) >= 64 for pool in bins.pools)
    assert model.estimate(bins.pools[0]).max() < edge < sampled


@pytest.mark.parametrize("name", ["uniform", "fair", "uniform-flops"])
def test_paths_depend_on_the_seed_and_the_update_alone(tiny: ChainSpace, name: str) -> None:
    settings = SamplerSettings(name)
    one, other = settings.make(tiny, 4), settings.make(tiny, 4)
    order = [700, 3, 255, 256, 3, 0]
    first = [one.paths(step).tolist() for step in order]
    assert first == [other.paths(step).tolist() for step in reversed(order)][::-1]
    assert first[1] == first[4]
    copied = pickle.loads(pickle.dumps(one))
    assert [copied.paths(step).tolist() for step in order] == first
    assert drawn(settings.make(tiny, 5), 50).tolist() != drawn(one, 50).tolist()
    assert len({tuple(map(tuple, one.paths(step).tolist())) for step in range(50)}) > 40


def test_uniform_draws_every_candidate_alike(tiny: ChainSpace) -> None:
    codes = drawn(Uniform(tiny, 0), DRAWS)
    for column in codes.T:
        assert np.abs(np.bincount(column, minlength=4) / DRAWS - 0.25).max() < 0.02


def test_fair_updates_take_every_candidate_once(tiny: ChainSpace) -> None:
    for step in range(20):
        codes = Fair(tiny, 0).paths(step)
        assert codes.shape == (4, 6)
        assert all(sorted(column) == [0, 1, 2, 3] for column in codes.T.tolist())


def test_fairness_with_choices_of_different_sizes() -> None:
    """Seven and six candidates in proxylessnas; none falls behind by more than one."""
    space = spaces.get("proxylessnas")
    assert set(space.candidates.tolist()) == {6, 7}
    codes = drawn(Fair(space, 0), 30)
    assert len(codes) == 30 * 7
    for step, (column, count) in itertools.product(range(30), enumerate(space.candidates.tolist())):
        taken = np.bincount(codes[7 * step : 7 * step + 7, column], minlength=count)
        assert taken.max() - taken.min() <= 1
        assert taken.min() >= 1


def test_fairness_needs_free_choices() -> None:
    with pytest.raises(
        InvalidOption, match="the sampler fair needs choices that are free of each other"
    ):
        SamplerSettings("fair").make(spaces.get("ofa-mobilenetv3"), 0)


@pytest.mark.parametrize("space", ["spos", "ofa-mobilenetv3"])
def test_bins_without_networks_are_refused(space: str) -> None:
    settings = SamplerSettings("uniform-flops", bins=2, range=(1.0, 100.0))
    with pytest.raises(
        InvalidOption, match=f"no network of {space} .* from 1 to 50.5; .*reach from "
    ):
        settings.make(spaces.get(space), 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"name": "random"},
            "sampler must be one of uniform, fair, uniform-flops, uniform-latency, not 'random'",
        ),
        ({"name": "uniform-flops", "bins": 0}, "bins must be at least 1, not 0"),
        ({"name": "uniform-flops", "range": (2.0, 1.0)}, "cost_range must rise, not from 2 to 1"),
        ({"name": "uniform-latency"}, "the sampler uniform-latency needs a table of latencies"),
        ({"name": "fair", "table": "x"}, "the sampler fair takes no table"),
        ({"name": "uniform", "range": (1.0, 2.0)}, "the sampler uniform takes no cost_range"),
    ],
)
def test_impossible_settings_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        SamplerSettings(**given)


def test_settings_survive_json() -> None:
    settings = SamplerSettings("uniform-flops", bins=3, range=(1.0, 2.5))
    assert SamplerSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert SamplerSettings.from_dict({}) == SamplerSettings()
