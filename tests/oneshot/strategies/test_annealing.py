"""Simulated annealing: Metropolis' walk, its temperature, and where it begins."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from oneshot import SearchProblem
from oneshot.errors import InvalidOption
from oneshot.strategies.annealing import SimulatedAnnealing
from oneshot.strategies.registry import make
from spaces import ChainSpace


class Recorded(SimulatedAnnealing):
    """Counts the steps at which the walk is at each architecture."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.visits: dict[tuple[int, ...], int] = {}

    def _step(self, codes: NDArray[np.signedinteger], score: float) -> bool:
        moves = super()._step(codes, score)
        assert self.current is not None
        architecture = tuple(self.current.tolist())
        self.visits[architecture] = self.visits.get(architecture, 0) + 1
        return moves


def walk(strategy: SimulatedAnnealing, guide: Any) -> list[float]:
    """Run a search to its end; return the score of the current architecture after each answer."""
    scores = []
    while len(codes := strategy.ask()):
        strategy.tell(codes, guide.score(codes)[0])
        scores.append(strategy.current_score)
    return scores


def test_walk_at_a_constant_temperature_visits_by_boltzmann(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    every = np.concatenate(list(tiny.enumerate_codes()))
    scores = guide.value(every)
    temperature = float(scores.std())
    strategy = Recorded(
        SearchProblem(tiny, guide), np.random.default_rng(0), temperature=temperature, cooling=1.0
    )
    strategy.seen.take(every)
    strategy.learn(every, scores)

    while sum(strategy.visits.values()) < 12_000:
        assert not len(strategy._walk())

    weights = np.exp((scores - scores.max()) / temperature)
    visits = np.array([strategy.visits.get(tuple(row), 0) for row in every.tolist()])
    # Of each candidate of each choice, as most architectures are visited a few times only.
    inputs = tiny.one_hot(every)
    expected = inputs.T @ weights / weights.sum()
    frequencies = inputs.T @ visits / visits.sum()
    assert frequencies == pytest.approx(expected, abs=0.07)
    uniform = inputs.mean(0)
    assert np.abs(expected - uniform).max() > 0.14


def test_without_temperature_the_walk_never_gets_worse(toy: Any, tiny: ChainSpace) -> None:
    strategy = SimulatedAnnealing(
        SearchProblem(tiny, toy(tiny)), np.random.default_rng(1), evaluations=12, temperature=0
    )
    scores = walk(strategy, toy(tiny))

    assert len(scores) == 12
    assert scores == sorted(scores)


def test_every_step_cools(toy: Any, tiny: ChainSpace) -> None:
    strategy = Recorded(
        SearchProblem(tiny, toy(tiny)),
        np.random.default_rng(1),
        evaluations=20,
        temperature=3.0,
        cooling=0.9,
    )
    walk(strategy, toy(tiny))

    # Steps between known architectures cool as well.
    steps = sum(strategy.visits.values())
    assert steps >= 20
    assert strategy.temperature == pytest.approx(3.0 * 0.9**steps, rel=1e-9)


def test_walk_begins_at_the_best_known_architecture(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    known = tiny.sample(np.random.default_rng(3), 10)
    strategy = SimulatedAnnealing(SearchProblem(tiny, guide), np.random.default_rng(0))
    strategy.seen.take(known)
    strategy.learn(known, guide.value(known))

    neighbour = strategy.ask()

    best = known[guide.value(known).argmax()]
    assert math.isclose(strategy.current_score, guide.value(best[None])[0])
    assert (neighbour[0] != best).sum() == 1


def test_cooling_above_one_is_refused(toy: Any, tiny: ChainSpace) -> None:
    problem = SearchProblem(tiny, toy(tiny))
    with pytest.raises(
        InvalidOption, match=r"annealing: cooling must be between 0 and 1, not 1\.5"
    ):
        make("annealing", problem, np.random.default_rng(0), {"cooling": 1.5})


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf])
def test_temperature_that_is_negative_or_infinite_is_refused(
    toy: Any, tiny: ChainSpace, temperature: float
) -> None:
    problem = SearchProblem(tiny, toy(tiny))
    with pytest.raises(
        InvalidOption,
        match=rf"annealing: temperature must be at least 0 and finite, not {temperature!r}",
    ):
        SimulatedAnnealing(problem, np.random.default_rng(0), temperature=temperature)
