"""SearchProblem: samples that meet the constraints, and an end to looking for them."""

import time
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import Constraint, Limit, SearchProblem
from oneshot.errors import Infeasible
from oneshot.problem import distinct
from spaces import ChainSpace, SearchSpace
from tables import LookupTable
from tables.cost_model import counting_model


def limit(space: SearchSpace, metric: str, maximum: float) -> Constraint:
    return Constraint(metric, maximum, counting_model(space, metric))


def test_distinct_rows_stay_where_they_first_occur() -> None:
    codes = np.array([[2, 1], [0, 0], [2, 1], [1, 1], [0, 0]])
    assert distinct(codes).tolist() == [[2, 1], [0, 0], [1, 1]]
    assert distinct(codes[:0]).shape == (0, 2)


@pytest.mark.parametrize("quantile", [1.0, 0.3, 0.01])
def test_samples_are_feasible_distinct_and_of_the_seed(toy: Any, tiny: ChainSpace, quantile: float) -> None:
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
        assert np.bincount(found[:, column], minlength=4) / len(found) == pytest.approx(expected, abs=0.04)


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
    codes = np.stack([space.encode([item.model.bounds()[0].architecture])[0] for item in constraints])
    assert not np.array_equal(codes[0], codes[1])  # each is possible alone
    with pytest.raises(Infeasible) as caught:
        SearchProblem(space, toy(space), constraints).sample(np.random.default_rng(0), 10)
    assert str(caught.value) == f"no network of {name} was found that meets all 2 constraints at once"


def test_all_constraints_hold_at_once(toy: Any, tiny: ChainSpace, table: LookupTable) -> None:
    every = np.concatenate(list(tiny.enumerate_codes()))
    latency = Limit("latency_ms", float(np.quantile(table.cost_model(tiny).estimate(every), 0.5)), "t")
    flops = Limit("flops", float(np.quantile(tiny.macs(every), 0.5)))
    constraints = [item.bind(tiny, lambda name: table) for item in (latency, flops)]
    problem = SearchProblem(tiny, toy(tiny), constraints)
    found = problem.sample(np.random.default_rng(0), 40)
    assert (constraints[0].met(found) & constraints[1].met(found)).all()
    both = constraints[0].met(every) & constraints[1].met(every)
    assert np.array_equal(problem.feasible(every), both)
    assert set(problem.costs) == {"macs", "params", "latency_ms"}
    assert problem.costs["latency_ms"] is constraints[0].model
