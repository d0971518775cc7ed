"""Limits on memory and energy: what a device's table tells beside latency."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import Constraint, Limit, SearchProblem, run_search
from oneshot.algorithms.decoding import most_probable
from oneshot.errors import Infeasible, InvalidConstraint, InvalidObjective
from oneshot.search.objective import Objective
from oneshot.search.subspace import Subspace
from spaces import ChainSpace, SearchSpace
from tables import LookupTable
from tables.errors import MissingFigures
from tables.lookup_table import BlockCost

OPTIONS: dict[str, dict[str, Any]] = {
    "aging": {"evaluations": 60, "population": 20, "tournament": 5},
    "channels": {"generations": 2, "width_generations": 2, "population": 20},
    "evolution": {"generations": 4, "population": 20},
    "exhaustive": {},
    "pareto": {"generations": 4, "population": 20},
    "predictor-loop": {"initial": 20, "batch": 10, "rounds": 1, "pool": 100, "predictor": "forest"},
    "proxyless": {"evaluations": 130, "restarts": 4, "steps": 10},
    "random": {"evaluations": 60},
    "reinforce": {"evaluations": 60},
}
WIDTHS = (
    "spos-channels(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)
WATTS = 5.0


def measured(space: SearchSpace, table: LookupTable) -> LookupTable:
    """The table for a space, with memory of every block; of its own space with energies too."""
    blocks = {}
    for key, block in space.all_blocks.items():
        held = 4 * int(np.prod(block.input)) + 4 * (block.kernel or 1) * int(np.prod(block.output))
        blocks[key] = BlockCost(0.01 + block.macs / 2e6, 0.001, 10, block.macs, block.params, held)
    networks = table.networks if space.name == table.space else ()
    rng = np.random.default_rng(3)
    with_energy = tuple(
        dataclasses.replace(
            sample, energy_mj=WATTS * sample.latency_ms[0] + float(rng.normal(0, 0.02))
        )
        for sample in networks
    )
    return dataclasses.replace(table, space=space.name, blocks=blocks, networks=with_energy)


def limited(
    space: SearchSpace, table: LookupTable, metric: str, share: float, margin: float = 1.64
) -> Constraint:
    """A limit between the least (0) and the greatest (1) of a metric."""
    model = measured(space, table).cost_model(space, metric)
    least, greatest = (bound.value for bound in model.bounds())
    least += margin * (model.sigma or 0.0)
    maximum = least + share * (greatest - least)
    return Limit(metric, maximum, "t").bind(space, lambda name: measured(space, table), margin)


def test_limits_name_their_table() -> None:
    assert Limit.parse("memory_bytes<=2e6@my-cpu") == Limit("memory_bytes", 2e6, "my-cpu")
    assert Limit.parse(" energy_mj <= 50 @ my cpu ") == Limit("energy_mj", 50.0, "my cpu")
    with pytest.raises(InvalidConstraint) as caught:
        Limit.parse("memory_bytes<=2000000")
    assert (
        str(caught.value)
        == "memory_bytes: a measured cost needs a device's table; write memory_bytes<=2e+06@TABLE"
    )
    with pytest.raises(InvalidConstraint, match="energy_mj: a measured cost needs"):
        Limit("energy_mj", 3.0)


def test_objectives_name_their_table(tiny: ChainSpace, table: LookupTable) -> None:
    found = Objective.parse("memory_bytes@made-up", tiny, lambda name: measured(tiny, table))
    assert found is not None
    assert (found.metric, found.device, found.model.unit) == ("memory_bytes", "made-up", "bytes")
    with pytest.raises(
        InvalidObjective, match="objective 'energy_mj': name its table: energy_mj@TABLE"
    ):
        Objective.parse("energy_mj", tiny, lambda name: table)
    with pytest.raises(MissingFigures, match="has no energy_mj: the device reported none"):
        Objective.parse("energy_mj@made-up", tiny, lambda name: table)


def test_tables_without_the_figures_are_told(tiny: ChainSpace, table: LookupTable) -> None:
    for metric in ("memory_bytes", "energy_mj"):
        with pytest.raises(MissingFigures, match=f"the table 'made-up' has no {metric}"):
            Limit(metric, 1e9, "t").bind(tiny, lambda name: table)


def test_the_least_that_is_possible_is_told(tiny: ChainSpace, table: LookupTable) -> None:
    full = measured(tiny, table)
    least = full.cost_model(tiny, "memory_bytes").bounds()[0].value
    with pytest.raises(Infeasible) as caught:
        Limit("memory_bytes", least - 1, "t").bind(tiny, lambda name: full)
    assert (
        str(caught.value) == f"the leanest network of spos-tiny holds {least:.0f} bytes at once on"
        f" made-up; the limit is {least - 1:g}"
    )
    assert caught.value.least == least
    energy = full.cost_model(tiny, "energy_mj")
    assert energy.sigma is not None
    thriftiest = energy.bounds()[0].value
    with pytest.raises(
        Infeasible, match=f"the thriftiest network of spos-tiny takes {thriftiest:.4g} mJ a run on"
    ):
        Limit("energy_mj", thriftiest / 2, "t").bind(tiny, lambda name: full)
    with pytest.raises(
        Infeasible,
        match=r" mJ with the margin of 1.64 sigma \(a margin of 0 leaves it out\); the limit",
    ):
        Limit("energy_mj", thriftiest + energy.sigma, "t").bind(tiny, lambda name: full)


def test_candidates_that_need_too_much_drop_out(
    toy: Any, tiny: ChainSpace, table: LookupTable
) -> None:
    constraint = limited(tiny, table, "memory_bytes", 0.4)
    problem = SearchProblem(tiny, toy(tiny), [constraint])
    every = np.concatenate(list(tiny.enumerate_codes()))
    met = every[constraint.met(every)]
    assert 0 < len(met) < len(every)
    assert isinstance(problem.reduced_space, Subspace)
    assert problem.reduced_space.size == len(met)
    assert np.array_equal(np.concatenate(list(problem.reduced_space.enumerate_codes())), met)


def test_other_constraints_leave_the_space(toy: Any, tiny: ChainSpace, table: LookupTable) -> None:
    assert (
        SearchProblem(tiny, toy(tiny), [limited(tiny, table, "energy_mj", 0.5)]).reduced_space
        is tiny
    )
    assert (
        SearchProblem(tiny, toy(tiny), [limited(tiny, table, "memory_bytes", 1.0)]).reduced_space
        is tiny
    )
    assert SearchProblem(tiny, toy(tiny)).reduced_space is tiny
    deep = spaces.get("ofa-mobilenetv3", resolutions=(64,))
    narrow = SearchProblem(deep, toy(deep), [limited(deep, table, "memory_bytes", 0.5)])
    assert (
        narrow.reduced_space is deep
    )  # where choices depend on each other candidates are not judged alone
    assert narrow.feasible(narrow.sample(np.random.default_rng(0), 20)).all()


def test_the_tightest_limit_of_a_large_space_is_met_at_once(toy: Any, table: LookupTable) -> None:
    space = spaces.get("spos")
    constraint = limited(space, table, "memory_bytes", 0.0)
    assert constraint.met(space.sample(np.random.default_rng(0), 50_000)).mean() < 0.02
    found = SearchProblem(space, toy(space), [constraint]).sample(np.random.default_rng(0), 300)
    assert len(np.unique(found, axis=0)) == 300
    assert constraint.met(found).all()


def test_two_devices_that_exclude_each_other_are_told(
    toy: Any, tiny: ChainSpace, table: LookupTable
) -> None:
    candidates = [
        block.key for blocks in tiny.choice_layers[0].candidates.values() for block in blocks
    ]
    constraints = []
    for taken in candidates[:2]:
        sizes = {key: 9 if key in candidates and key != taken else 1 for key in table.blocks}
        blocks = {
            key: dataclasses.replace(cost, activation_bytes=sizes[key])
            for key, cost in table.blocks.items()
        }
        device = dataclasses.replace(table, blocks=blocks, name=f"only {taken}")
        constraints.append(
            Limit("memory_bytes", 5, "t").bind(tiny, lambda name, device=device: device)
        )
    for constraint in constraints:
        assert SearchProblem(tiny, toy(tiny), [constraint]).reduced_space.size == 4**5
    with pytest.raises(Infeasible, match="no network of spos-tiny meets all 2 constraints at once"):
        run_search(SearchProblem(tiny, toy(tiny), constraints), "evolution")


@pytest.mark.parametrize(
    ("strategy", "metric"),
    [(name, "memory_bytes") for name in OPTIONS]
    + [
        (name, "energy_mj") for name in OPTIONS if name != "channels"
    ],  # no networks of its space were measured
)
def test_every_strategy_keeps_them(
    toy: Any, tiny: ChainSpace, table: LookupTable, strategy: str, metric: str
) -> None:
    space = tiny if strategy != "channels" else spaces.get(WIDTHS)
    constraint = limited(space, table, metric, 0.3)
    guide = toy(space)
    result = run_search(
        SearchProblem(space, guide, [constraint]), strategy, options=OPTIONS[strategy], seed=1
    )
    assert constraint.met(result.codes).all()
    assert np.array_equal(result.costs[metric], constraint.model.estimate(result.codes))
    assert len(guide.asked) == len(set(guide.asked)) == len(result) >= 20
    assert result.constraints[0]["metric"] == metric
    if strategy == "proxyless":  # what ends up best is near the limit's edge, not far below it
        every = np.concatenate(list(space.enumerate_codes()))
        best = guide.value(every[constraint.met(every)]).max()
        assert result.best.score >= best - 0.5


def test_memory_can_be_traded(toy: Any, tiny: ChainSpace, table: LookupTable) -> None:
    model = measured(tiny, table).cost_model(tiny, "memory_bytes")
    problem = SearchProblem(tiny, toy(tiny), objectives=[Objective("memory_bytes", model)])
    result = run_search(problem, "exhaustive")
    front = result.front()
    costs, scores = result.costs["memory_bytes"][front], result.scores[front]
    assert problem.traded == ("memory_bytes",)
    assert len(front) > 1
    assert (np.diff(costs) < 0).all()  # the best first
    assert (np.diff(scores) < 0).all()


def test_the_most_probable_within_a_memory_is_exact(tiny: ChainSpace, table: LookupTable) -> None:
    constraint = limited(tiny, table, "memory_bytes", 0.2)
    rng = np.random.default_rng(0)
    logs = [np.log(rng.dirichlet(np.ones(int(count)))) for count in tiny.candidates]
    every = np.concatenate(list(tiny.enumerate_codes()))
    chances = np.sum([log[every[:, column]] for column, log in enumerate(logs)], axis=0)
    chances[~constraint.met(every)] = -np.inf
    assert np.array_equal(most_probable(logs, constraint), every[chances.argmax()])
