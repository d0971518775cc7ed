"""What every strategy keeps: nothing twice, nothing that breaks a constraint, the seed's result, an
end.
"""

from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import Constraint, SearchProblem, run_search
from oneshot.errors import Infeasible
from oneshot.strategies.registry import STRATEGIES
from spaces import ChainSpace, SearchSpace
from tables.cost.model import counting_model

OPTIONS: dict[str, dict[str, Any]] = {
    "aging": {"evaluations": 200, "population": 30, "tournament": 5},
    "annealing": {"evaluations": 200, "temperature": 0.3},
    "channels": {"generations": 3, "width_generations": 3, "population": 20},
    "evolution": {"generations": 5, "population": 30},
    "exhaustive": {},
    "pareto": {"generations": 5, "population": 30},
    "predictor-loop": {"initial": 20, "batch": 10, "rounds": 3, "pool": 200},
    "proxyless": {"evaluations": 230, "restarts": 8, "steps": 10},
    "random": {"evaluations": 150},
    "reinforce": {"evaluations": 200},
}
PLANNED = {
    "aging": 200,
    "annealing": 200,
    "evolution": 150,
    "pareto": 150,
    "predictor-loop": 50,
    "random": 150,
}
WIDTHS = (
    "spos-channels(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)


def space_of(strategy: str, name: str = "spos-tiny") -> SearchSpace:
    return spaces.get(WIDTHS if strategy == "channels" else name)


def constrained(guide: Any, quantile: float) -> SearchProblem:
    space = guide.space
    macs = np.quantile(space.macs(space.sample(np.random.default_rng(9), 4000)), quantile)
    return SearchProblem(
        space, guide, [Constraint("macs", float(macs), counting_model(space, "macs"))]
    )


def test_every_strategy_is_tested() -> None:
    assert set(OPTIONS) == set(STRATEGIES)


@pytest.mark.parametrize("strategy", OPTIONS)
def test_nothing_twice_and_nothing_infeasible(toy: Any, strategy: str) -> None:
    guide = toy(space_of(strategy))
    problem = constrained(guide, 0.3)
    result = run_search(problem, strategy, options=OPTIONS[strategy], seed=1)
    assert len(guide.asked) == len(set(guide.asked)) == len(result)
    assert len(result) == PLANNED.get(strategy, len(result))
    assert sorted(guide.asked) == sorted(map(tuple, result.codes.tolist()))
    assert problem.feasible(result.codes).all()
    assert np.array_equal(result.scores, guide.value(result.codes))
    assert np.array_equal(result.scores, np.sort(result.scores)[::-1])
    asked = np.array(guide.asked)
    assert np.array_equal(asked[result.order], result.codes)


@pytest.mark.parametrize("strategy", sorted({*OPTIONS} - {"exhaustive", "channels"}))
@pytest.mark.parametrize("name", ["spos", "nasbench101", "ofa-mobilenetv3"])
def test_every_kind_of_space_can_be_searched(toy: Any, name: str, strategy: str) -> None:
    space = spaces.get(name)
    guide = toy(space)
    options = {
        **OPTIONS[strategy],
        **({"evaluations": 60} if "evaluations" in OPTIONS[strategy] else {}),
    }
    options |= {"evaluations": 160} if strategy == "proxyless" else {}  # 80 of them relaxed
    options |= {"generations": 2} if "generations" in options else {}
    result = run_search(SearchProblem(space, guide), strategy, options=options, seed=2)
    assert len(set(guide.asked)) == len(guide.asked) == len(result)
    assert len(result) >= 50
    assert np.array_equal(space.check(result.codes), result.codes)  # in their one spelling


@pytest.mark.parametrize("strategy", OPTIONS)
def test_the_same_seed_gives_the_same_result(toy: Any, strategy: str) -> None:
    def found(seed: int) -> dict[str, Any]:
        np.random.seed(seed * 7 % 5)  # noqa: NPY002  the global generator must not matter
        result = run_search(
            constrained(toy(space_of(strategy)), 0.5),
            strategy,
            options=OPTIONS[strategy],
            seed=seed,
        )
        whole = result.to_dict()
        whole.pop("seconds")
        return whole

    assert found(1) == found(1)
    if strategy != "exhaustive":
        assert found(1)["candidates"] != found(2)["candidates"]


def test_no_strategy_draws_from_the_global_generator(
    toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNI's mutation does, so that its seed gives other results each time."""

    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("the global generator was used")

    for name in ("random_sample", "rand", "randint", "random", "choice", "permutation", "shuffle"):
        monkeypatch.setattr(np.random, name, refuse)
    for strategy in set(OPTIONS) - {
        "predictor-loop"
    }:  # scikit-learn's forests take their seed as an argument
        run_search(constrained(toy(space_of(strategy)), 0.5), strategy, options=OPTIONS[strategy])


@pytest.mark.parametrize("strategy", sorted({*OPTIONS} - {"channels"}))
def test_searches_end_where_nothing_new_is_left(toy: Any, tiny: ChainSpace, strategy: str) -> None:
    every = np.concatenate(list(tiny.enumerate_codes()))
    macs = float(np.sort(tiny.macs(every))[40])
    feasible = every[tiny.macs(every) <= macs]
    guide = toy(tiny)
    problem = SearchProblem(tiny, guide, [Constraint("macs", macs, counting_model(tiny, "macs"))])
    result = run_search(problem, strategy, options=OPTIONS[strategy])
    assert sorted(guide.asked) == sorted(map(tuple, feasible.tolist()))
    assert result.best.score == pytest.approx(guide.value(feasible).max())


@pytest.mark.parametrize("strategy", sorted({*OPTIONS} - {"exhaustive", "channels"}))
def test_one_feasible_network_is_a_search_of_one(toy: Any, strategy: str) -> None:
    space = spaces.get("spos")
    least = counting_model(space, "macs").bounds()[0]
    problem = SearchProblem(
        space, toy(space), [Constraint("macs", least.value, counting_model(space, "macs"))]
    )
    result = run_search(problem, strategy, options=OPTIONS[strategy])
    assert len(result) == 1
    assert result.best.architecture == least.architecture


@pytest.mark.parametrize("strategy", OPTIONS)
def test_constraints_that_exclude_each_other_are_refused(toy: Any, strategy: str) -> None:
    """The release's population loop never ends on a limit that nothing meets."""
    space = space_of(strategy)
    models = {metric: counting_model(space, metric) for metric in ("macs", "params")}
    # The smallest in each alone; scaled so that one network could only meet both by being both.
    constraints = [
        Constraint(metric, model.bounds()[0].value, model) for metric, model in models.items()
    ]
    ends = {
        tuple(constraint.model.bounds()[0].architecture.choices.values())
        for constraint in constraints
    }
    if len(ends) == 1:  # one network is the smallest in both
        constraints[0] = Constraint(
            "macs", models["macs"].bounds()[0].value * 0.999, models["macs"]
        )
    guide = toy(space)
    with pytest.raises(Infeasible, match="at once; the nearest has macs "):
        run_search(SearchProblem(space, guide, constraints), strategy, options=OPTIONS[strategy])
    assert guide.asked == []


@pytest.mark.parametrize(
    "strategy", ["aging", "annealing", "evolution", "exhaustive", "pareto", "random"]
)
def test_of_isomorphic_cells_one_is_evaluated(toy: Any, strategy: str) -> None:
    from tables.benchmarks import classes

    space = spaces.get("nasbench201")
    guide = toy(space)
    options = OPTIONS[strategy]
    result = run_search(
        SearchProblem(space, guide, isomorphic=True), strategy, options=options, seed=3
    )
    numbers = classes(space, result.codes)
    assert len(set(numbers.tolist())) == len(result)
    if strategy == "exhaustive":
        assert len(result) == 5390
    else:
        plain = run_search(SearchProblem(space, toy(space)), strategy, options=options, seed=3)
        assert len(set(classes(space, plain.codes).tolist())) < len(plain)


@pytest.mark.parametrize("strategy", ["aging", "annealing", "evolution", "predictor-loop"])
def test_what_learns_beats_random_search(toy: Any, strategy: str) -> None:
    space = spaces.get("spos")
    options = OPTIONS[strategy]
    gains = []
    for seed in range(3):
        learned = run_search(
            constrained(toy(space, seed), 0.5), strategy, options=options, seed=seed
        )
        drawn = run_search(
            constrained(toy(space, seed), 0.5),
            "random",
            options={"evaluations": len(learned)},
            seed=seed,
        )
        gains.append(learned.best.score - drawn.best.score)
    assert np.mean(gains) > 0.3
