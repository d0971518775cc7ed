"""Aging evolution, or regularised evolution (Real et al., AAAI 2019, arXiv 1802.01548)."""

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

# A parent may have no new neighbour.
_MAX_MUTATIONS = 10
# Children per requested child: many are infeasible or were evaluated before.
_SURPLUS = 8


@register_strategy("aging")
class AgingEvolution(Strategy):
    """Mutates the best of a tournament in one choice and removes the oldest of the population.

    Algorithm 1 of the paper.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Source of all randomness.
        evaluations: Number of architectures to evaluate, including the first population.
        population: Number of architectures in the population.
        tournament: Number of architectures per tournament, the paper's sample size; the best of
            them becomes the parent.
        batch: Number of children requested at once. The paper's is 1; more let a guide score them
            together.
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
        self.evaluations = evaluations
        self.population_size = population
        self.tournament_size = tournament
        self.batch_size = batch
        self._requested = 0

        # The bounded queue drops the oldest architecture for each that is added.
        self.population: deque[tuple[NDArray[np.signedinteger], float]] = deque(maxlen=population)

    @property
    def planned(self) -> int:
        """The option `evaluations`."""
        return self.evaluations

    def ask(self) -> Codes:
        """Return the first population, then children of tournament winners.

        Random architectures replace children where all children were evaluated before.
        """
        budget = self.evaluations - self._requested
        if self._requested == 0:
            proposals = self.sample_new(min(self.population_size, budget))
        else:
            count = min(self.batch_size, budget)
            children = self.empty
            if count:
                children = self.make_children(lambda: self._children(_SURPLUS * count), count)
            proposals = np.concatenate([children, self.sample_new(count - len(children))])

        self._requested += len(proposals)

        return np.asfortranarray(proposals)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Add the architectures to the population and remove as many of the oldest."""
        self.population.extend(zip(codes, scores.tolist(), strict=True))

    def _children(self, count: int) -> Codes:
        codes = np.stack([row for row, _ in self.population])
        scores = np.array([score for _, score in self.population])

        size = min(self.tournament_size, len(scores))
        tournaments = self.rng.integers(len(scores), size=(count, size))
        winners = tournaments[np.arange(count), scores[tournaments].argmax(1)]
        return changed_once(self.problem.space, codes[winners], self.rng)


def changed_once(space: ChoiceSpace, parents: Codes, rng: np.random.Generator) -> Codes:
    """Change one choice of each parent to another of its candidates.

    Choice and candidate are drawn uniformly. A parent is returned unchanged where ten changes give
    no architecture of the space.

    Args:
        space: Space of the parents.
        parents: Codes [n, choices].
        rng: Source of all randomness.

    Returns:
        Codes [n, choices].
    """
    open_columns = np.flatnonzero(space.candidates > 1)
    children = np.array(parents)
    pending = np.arange(len(parents)) if len(open_columns) else np.arange(0)

    for _ in range(_MAX_MUTATIONS):
        columns = pending
        if len(open_columns):
            columns = open_columns[rng.integers(len(open_columns), size=len(pending))]
        counts = space.candidates[columns]

        # A step of 1 to count - 1 around the cycle of candidates never returns to the same one.
        steps = rng.integers(1, np.maximum(counts, 2))
        mutants = parents[pending]
        rows = np.arange(len(pending))
        mutants[rows, columns] = (mutants[rows, columns] + steps) % counts

        is_valid = np.ones(len(mutants), dtype=bool)
        if space.validates_codes:
            is_valid = space.valid(mutants)
        children[pending[is_valid]] = mutants[is_valid]
        pending = pending[~is_valid]
        if not len(pending):
            break

    children = np.asfortranarray(children, dtype=space.dtype)
    return space.canonical(children) if space.validates_codes else children
