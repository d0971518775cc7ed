"""Aging evolution, also called regularised (Real et al., AAAI 2019, arXiv 1802.01548, algorithm
1).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.strategies.base import Strategy
from oneshot.strategies.registry import register_strategy
from spaces.choice_space import ChoiceSpace, Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

_ATTEMPTS = 10  # of a change that gives no architecture
_BREEDS = 8  # children bred at once for each one that is wanted


@register_strategy("aging")
class AgingEvolution(Strategy):
    """The best of a few drawn from the population has a child that differs in one choice; the
    oldest leaves.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
        evaluations: how many, the first population among them.
        population: architectures alive.
        tournament: how many are drawn; the best of them is the parent (the paper's sample size).
        batch: children asked for at once. The paper's is 1; more let a guide score them together.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        evaluations: int = 1000,
        population: int = 100,
        tournament: int = 25,
        batch: int = 10,
    ):
        super().__init__(problem, rng)
        self.evaluations, self.population = evaluations, population
        self.tournament, self.batch = tournament, batch
        self.asked = 0
        self.alive: deque[tuple[NDArray[np.signedinteger], float]] = deque(maxlen=population)

    @property
    def planned(self) -> int:
        """The evaluations asked for."""
        return self.evaluations

    def ask(self) -> Codes:
        """The first population; then children, or random architectures where all children are
        known.
        """
        left = self.evaluations - self.asked
        if self.asked == 0:
            drawn = self.fresh(min(self.population, left))
        else:
            count = min(self.batch, left)
            children = (
                self.bred(lambda: self._children(_BREEDS * count), count) if count else self.nothing
            )
            drawn = np.concatenate([children, self.fresh(count - len(children))])
        self.asked += len(drawn)
        return np.asfortranarray(drawn)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Let the new ones live, and the oldest leave."""
        self.alive.extend(zip(codes, scores.tolist(), strict=True))

    def _children(self, count: int) -> Codes:
        genes = np.stack([row for row, _ in self.alive])
        scores = np.array([score for _, score in self.alive])
        drawn = self.rng.integers(len(scores), size=(count, min(self.tournament, len(scores))))
        parents = drawn[np.arange(count), scores[drawn].argmax(1)]
        return changed_once(self.problem.space, genes[parents], self.rng)


def changed_once(space: ChoiceSpace, parents: Codes, rng: np.random.Generator) -> Codes:
    """Children of `parents` [n, choices] that differ in one choice, drawn uniformly, as its new
    candidate is.

    Where no change gives an architecture, in a few tries, the parent stays.
    """
    open_ = np.flatnonzero(space.candidates > 1)
    children = np.array(parents)
    waiting = np.arange(len(parents)) if len(open_) else np.arange(0)
    for _ in range(_ATTEMPTS):
        columns = open_[rng.integers(len(open_), size=len(waiting))] if len(open_) else waiting
        counts = space.candidates[columns]
        moved = parents[waiting]
        rows = np.arange(len(waiting))
        moved[rows, columns] = (
            moved[rows, columns] + rng.integers(1, np.maximum(counts, 2))
        ) % counts
        fits = space.valid(moved) if space.irregular else np.ones(len(moved), dtype=bool)
        children[waiting[fits]] = moved[fits]
        waiting = waiting[~fits]
        if not len(waiting):
            break
    children = np.asfortranarray(children, dtype=space.dtype)
    return space.canonical(children) if space.irregular else children
