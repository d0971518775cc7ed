"""SPOS's evolution: finds the best, breeds from the best, tells how far it is."""

from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import Constraint, SearchProblem, run_search
from spaces import ChainSpace
from tables.cost.model import counting_model
from tests.published import published


def constrained(guide: Any, quantile: float) -> SearchProblem:
    space = guide.space
    macs = np.quantile(space.macs(space.sample(np.random.default_rng(9), 4000)), quantile)
    return SearchProblem(
        space, guide, [Constraint("macs", float(macs), counting_model(space, "macs"))]
    )


@pytest.mark.parametrize("seed", range(4))
def test_evolution_finds_the_best_of_all(toy: Any, tiny: ChainSpace, seed: int) -> None:
    guide = toy(tiny, seed)
    problem = constrained(guide, 0.5)
    every = np.concatenate(list(tiny.enumerate_codes()))
    every = every[problem.feasible(every)]
    result = run_search(problem, seed=seed)
    assert result.best.score == pytest.approx(guide.value(every).max())
    assert tuple(result.codes[0].tolist()) == tuple(every[guide.value(every).argmax()].tolist())


def test_evolution_beats_random_search(toy: Any) -> None:
    space = spaces.get("spos")
    for seed in range(3):
        evolved = run_search(
            constrained(toy(space, seed), 0.5), "evolution", options={"generations": 10}, seed=seed
        )
        drawn = run_search(
            constrained(toy(space, seed), 0.5), "random", options={"evaluations": 500}, seed=seed
        )
        assert len(evolved) == len(drawn) == 500
        assert evolved.best.score > drawn.best.score + 1
        assert np.median(evolved.scores[:50]) > np.median(drawn.scores[:50])


def test_progress_tells_the_best_so_far(toy: Any, tiny: ChainSpace) -> None:
    told: list[tuple[int, int, float]] = []
    result = run_search(
        SearchProblem(tiny, toy(tiny)),
        options={"generations": 5, "population": 20},
        progress=lambda *state: told.append(state),
    )
    assert [state[:2] for state in told] == [(20 * number, 100) for number in range(1, 6)]
    bests = [state[2] for state in told]
    assert bests == sorted(bests)
    assert bests[-1] == result.best.score
    assert [(entry["evaluated"], entry["best"]) for entry in result.history] == [
        (done, best) for done, _, best in told
    ]


def test_progress_may_stop_the_search(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)

    def stop(done: int, planned: int, best: float) -> None:
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(SearchProblem(tiny, guide), progress=stop)
    assert len(guide.asked) == 100


def test_children_come_from_the_best(toy: Any, tiny: ChainSpace) -> None:
    """Without mutation a later generation's bred half has only genes of the parents."""
    guide = toy(tiny)
    options = {"generations": 2, "population": 40, "crossovers": 40, "mutations": 1, "parents": 3}
    run_search(SearchProblem(tiny, guide), options={**options, "mutation_probability": 0.0}, seed=5)
    first, second = np.array(guide.asked[:40]), np.array(guide.asked[40:])
    parents = first[np.argsort(-guide.value(first), kind="stable")[:3]]
    genes = [set(parents[:, column].tolist()) for column in range(6)]
    from_parents = [
        all(code in genes[column] for column, code in enumerate(row)) for row in second.tolist()
    ]
    possible = int(np.prod([len(inner) for inner in genes])) - 3
    assert sum(from_parents) >= min(40, possible) * 0.8


def test_population_bounds_a_generation(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    result = run_search(SearchProblem(tiny, guide), options={"population": 7, "generations": 3})
    assert [entry["evaluated"] for entry in result.history] == [7, 14, 21]


def test_a_generation_is_bred_as_published(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """25 by crossover, 25 by mutation, from the ten best of all generations so far."""
    from oneshot.strategies.evolution import Evolution

    made: list[tuple[str, int]] = []
    parents: list[list[float]] = []
    guide = toy(spaces.get("spos"))
    bred = Evolution.make_children

    def watched(self: Evolution, breed: Any, count: int) -> Any:
        found = bred(self, breed, count)
        made.append((breed.__name__, len(found)))
        parents.append(self.best_scores.tolist())
        return found

    monkeypatch.setattr(Evolution, "make_children", watched)
    run_search(SearchProblem(guide.space, guide), options={"generations": 4})
    assert made == [("_cross", 25), ("_mutate", 25)] * 3
    for generation in range(3):
        known = guide.value(np.array(guide.asked[: 50 * (generation + 1)]))
        assert parents[2 * generation] == np.sort(known)[::-1][:10].tolist()


def test_a_search_evaluates_as_many_networks_as_published(toy: Any) -> None:
    space = spaces.get("spos")
    result = run_search(SearchProblem(space, toy(space)), "spos")
    assert len(result) == published("spos.search.evaluations")


def test_the_best_so_far_is_told_after_every_generation(toy: Any, tiny: ChainSpace) -> None:
    told: list[tuple[int, float]] = []
    guide = toy(tiny)
    result = run_search(
        SearchProblem(tiny, guide),
        options={"generations": 4},
        after_batch=lambda number, best: told.append((number, best.score)),
    )
    assert [number for number, _ in told] == [1, 2, 3, 4]
    assert [score for _, score in told] == [entry["best"] for entry in result.history]
    assert result.best_so_far()[[49, 99, 149, 199]].tolist() == [score for _, score in told]


def test_chunks_change_nothing(toy: Any, tiny: ChainSpace) -> None:
    told: list[int] = []
    options = {"generations": 3, "population": 10}
    whole = run_search(SearchProblem(tiny, toy(tiny)), options=options)
    parts = run_search(
        SearchProblem(tiny, toy(tiny)),
        options=options,
        chunk=4,
        progress=lambda done, planned, best: told.append(done),
    )
    assert told == [4, 8, 10, 14, 18, 20, 24, 28, 30]
    assert np.array_equal(whole.codes, parts.codes)
    assert np.array_equal(whole.order, parts.order)
    assert whole.history == parts.history
