"""SearchProblem: samples that meet the constraints, and an end to looking for them."""

import dataclasses
import time
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import Constraint, Limit, SearchProblem
from oneshot.errors import Infeasible
from oneshot.search.deduplication import Seen, identity
from oneshot.search.objective import Objective
from spaces import ChainSpace, SearchSpace
from spaces.codes import distinct
from tables import LookupTable
from tables.cost.model import counting_model


def limit(space: SearchSpace, metric: str, maximum: float) -> Constraint:
    return Constraint(metric, maximum, counting_model(space, metric))


def test_distinct_rows_stay_where_they_first_occur() -> None:
    codes = np.array([[2, 1], [0, 0], [2, 1], [1, 1], [0, 0]])
    assert distinct(codes).tolist() == [[2, 1], [0, 0], [1, 1]]
    assert distinct(codes[:0]).shape == (0, 2)


@pytest.mark.parametrize("quantile", [1.0, 0.3, 0.01])
def test_samples_are_feasible_distinct_and_of_the_seed(
    toy: Any, tiny: ChainSpace, quantile: float
) -> None:
    every = np.concatenate(list(tiny.enumerate_codes()))
    maximum = int(np.quantile(tiny.macs(every), quantile))
    problem = SearchProblem(tiny, toy(tiny), [limit(tiny, "macs", maximum)])
    found = problem.sample(np.random.default_rng(3), 30)
    assert len(found) == len(np.unique(found, axis=0)) == 30
    assert tiny.macs(found).max() <= maximum
    assert np.array_equal(found, problem.sample(np.random.default_rng(3), 30))
    assert not np.array_equal(found, problem.sample(np.random.default_rng(4), 30))


def test_small_spaces_give_all_there_is(toy: Any, tiny: ChainSpace) -> None:
    every = np.concatenate(list(tiny.enumerate_codes()))
    maximum = int(np.sort(tiny.macs(every))[16])
    feasible = every[tiny.macs(every) <= maximum]
    problem = SearchProblem(tiny, toy(tiny), [limit(tiny, "macs", maximum)])
    found = problem.sample(np.random.default_rng(0), 500)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, feasible.tolist()))
    free = SearchProblem(tiny, toy(tiny)).sample(np.random.default_rng(0), 10_000)
    assert len(np.unique(free, axis=0)) == len(free) == 4096


def test_samples_are_uniform(toy: Any, tiny: ChainSpace) -> None:
    every = np.concatenate(list(tiny.enumerate_codes()))
    maximum = int(np.quantile(tiny.macs(every), 0.4))
    problem = SearchProblem(tiny, toy(tiny), [limit(tiny, "macs", maximum)])
    feasible = every[tiny.macs(every) <= maximum]
    found = np.concatenate([problem.sample(np.random.default_rng(seed), 100) for seed in range(40)])
    for column in range(6):
        expected = np.bincount(feasible[:, column], minlength=4) / len(feasible)
        assert np.bincount(found[:, column], minlength=4) / len(found) == pytest.approx(
            expected, abs=0.04
        )


def test_tight_constraints_of_large_spaces_are_met_by_walking(toy: Any) -> None:
    space = spaces.get("spos")
    least = counting_model(space, "macs").bounds()[0].value
    problem = SearchProblem(space, toy(space), [limit(space, "macs", least * 1.004)])
    drawn = space.sample(np.random.default_rng(0), 200_000)
    assert problem.feasible(drawn).sum() == 0  # sampling alone would find nothing
    begin = time.monotonic()
    found = problem.sample(np.random.default_rng(0), 50)
    assert time.monotonic() - begin < 20
    assert len(found) == len(np.unique(found, axis=0)) == 50
    assert problem.feasible(found).all()
    assert np.array_equal(found, problem.sample(np.random.default_rng(0), 50))


def test_a_single_network_is_found(toy: Any) -> None:
    space = spaces.get("spos")
    least = counting_model(space, "macs").bounds()[0]
    problem = SearchProblem(space, toy(space), [limit(space, "macs", least.value)])
    found = problem.sample(np.random.default_rng(0), 50)
    assert space.decode(found) == [least.architecture]


@pytest.mark.parametrize("name", ["spos-tiny", "spos"])
def test_constraints_that_exclude_each_other_are_told(toy: Any, name: str) -> None:
    space = spaces.get(name)
    constraints = []
    for metric in ("macs", "params"):
        model = counting_model(space, metric)
        constraints.append(Constraint(metric, model.bounds()[0].value, model))
    codes = np.stack(
        [space.encode([item.model.bounds()[0].architecture])[0] for item in constraints]
    )
    assert not np.array_equal(codes[0], codes[1])  # each is possible alone
    with pytest.raises(Infeasible) as caught:
        SearchProblem(space, toy(space), constraints).sample(np.random.default_rng(0), 10)
    found = (
        "meets" if name == "spos-tiny" else "was found that meets"
    )  # the small one is gone through
    assert str(caught.value).startswith(
        f"no network of {name} {found} all 2 constraints at once; the nearest has macs "
    )
    error = caught.value
    assert error.metric in ("macs", "params")
    assert error.least > error.maximum
    assert f"{error.metric} {error.least:.6g} (limit {error.maximum:.6g})" in str(error)


def test_all_constraints_hold_at_once(toy: Any, tiny: ChainSpace, table: LookupTable) -> None:
    every = np.concatenate(list(tiny.enumerate_codes()))
    latency = Limit(
        "latency_ms", float(np.quantile(table.cost_model(tiny).estimate(every), 0.5)), "t"
    )
    flops = Limit("flops", float(np.quantile(tiny.macs(every), 0.5)))
    constraints = [item.bind(tiny, lambda name: table) for item in (latency, flops)]
    problem = SearchProblem(tiny, toy(tiny), constraints)
    found = problem.sample(np.random.default_rng(0), 40)
    assert (constraints[0].met(found) & constraints[1].met(found)).all()
    both = constraints[0].met(every) & constraints[1].met(every)
    assert np.array_equal(problem.feasible(every), both)
    assert set(problem.costs) == {"macs", "params", "latency_ms"}
    assert problem.costs["latency_ms"] is constraints[0].model


@pytest.mark.parametrize("name", ["spos", "spos-channels", "proxylessnas"])
def test_a_compromise_between_two_tight_constraints_is_found(toy: Any, name: str) -> None:
    """Neither constraint's cheapest network meets the other: the way leads between them."""
    space = spaces.get(name)
    models = [counting_model(space, metric) for metric in ("macs", "params")]
    ends = space.encode([model.bounds()[0].architecture for model in models])
    # The least of a weighted sum: hardly any other network has as little of both.
    weights = [1 / model.bounds()[0].value for model in models]
    terms = [
        [weight * term for term in model.table.terms]  # type: ignore[attr-defined]
        for weight, model in zip(weights, models, strict=True)
    ]
    best = np.array(
        [[int((macs + params).argmin()) for macs, params in zip(*terms, strict=True)]],
        dtype=space.dtype,
    )
    constraints = [
        Constraint(model.metric, float(model.estimate(best)[0]) * 1.0005, model) for model in models
    ]
    problem = SearchProblem(space, toy(space), constraints)
    if not (best == ends).all(1).any():
        assert not problem.feasible(ends).any()
    assert not problem.feasible(space.sample(np.random.default_rng(1), 4096 * 8)).any()
    problem.check_feasible()
    found = problem.sample(np.random.default_rng(2), 5)
    assert problem.feasible(found).all()


def test_objectives_are_costs_under_their_names(
    toy: Any, tiny: ChainSpace, table: LookupTable
) -> None:
    latency = Objective("latency_ms", table.cost_model(tiny))
    other = Objective("latency_ms", dataclasses.replace(latency.model, device="other"))
    macs = limit(tiny, "macs", 1e12)
    assert SearchProblem(tiny, toy(tiny)).traded == ("macs",)
    assert SearchProblem(tiny, toy(tiny), [limit(tiny, "params", 1e12)]).traded == ("params",)
    problem = SearchProblem(tiny, toy(tiny), [macs], [latency, other])
    assert problem.traded == ("latency_ms", "latency_ms@other")
    assert list(problem.costs) == ["macs", "params", "latency_ms", "latency_ms@other"]
    assert SearchProblem(tiny, toy(tiny), [macs], [latency, latency]).traded == ("latency_ms",)


@pytest.mark.parametrize("name", ["spos-tiny", "spos-channels", "nasbench101", "darts"])
def test_keys_tell_architectures_apart(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 300)
    codes = np.asfortranarray(np.concatenate([codes, codes[::3]]))
    keys = identity(space)(codes)
    assert keys[300:] == keys[:300:3]
    assert len(set(keys)) == len(distinct(codes))
    assert identity(space)(codes[5:9]) == keys[5:9]  # whatever stands beside


def test_seen_takes_what_is_new() -> None:
    space = spaces.get("spos-tiny")
    seen = Seen(identity(space))
    codes = np.asfortranarray(
        np.array([[0] * 6, [1] * 6, [0] * 6, [2] * 6, [3] * 6], dtype=np.int8)
    )
    assert seen.new(codes)[:, 0].tolist() == [0, 1, 2, 3]
    assert seen.take(codes, 2)[:, 0].tolist() == [0, 1]
    assert seen.take(codes)[:, 0].tolist() == [2, 3]
    assert (len(seen), len(seen.take(codes)), len(seen.new(codes))) == (4, 0, 0)


def test_isomorphic_cells_have_one_key() -> None:
    space = spaces.get("nasbench201")
    keys = identity(space, isomorphic=True)(np.concatenate(list(space.enumerate_codes())))
    assert len(set(keys)) == 5390
