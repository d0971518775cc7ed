"""SPOS's evolution under constraints (Guo et al., ECCV 2020, arXiv 1904.00420)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.strategies.base import Strategy
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

# Children per architecture of the population: many are infeasible or were evaluated before.
_SURPLUS = 4


@register_strategy("evolution")
class Evolution(Strategy):
    """Breeds the best architectures so far by crossover and mutation.

    Algorithm 1 of the paper; the defaults are those of its release, whose 20 generations follow a
    random population: 50 + 20 x 50 = 1050 evaluations. Random architectures complete a generation,
    and none is evaluated twice.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Source of all randomness.
        population: Number of architectures per generation.
        generations: Number of generations, the random first one included.
        parents: Number of best architectures so far that have children.
        crossovers: Number of children of two parents per generation.
        mutations: Number of children of one parent per generation.
        mutation_probability: Probability that a mutation redraws a choice.

    Raises:
        InvalidOption: A probability is above 1.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        population: int = 50,
        generations: int = 21,
        parents: int = 10,
        crossovers: int = 25,
        mutations: int = 25,
        mutation_probability: float = 0.1,
    ):
        super().__init__(problem, rng)
        check_probability("evolution", "mutation_probability", mutation_probability)
        self.population_size = population
        self.generations = generations
        self.num_parents = parents
        self.crossovers = crossovers
        self.mutations = mutations
        self.mutation_probability = mutation_probability
        self.generation = 0
        self.best = self.empty
        self.best_scores = np.empty(0)

    @property
    def planned(self) -> int:
        """Size of the population times the number of generations."""
        return self.population_size * self.generations

    def ask(self) -> Codes:
        """Return the next generation.

        It is smaller, and in the end empty, where the constraints leave nothing new.
        """
        if self.generation >= self.generations:
            return self.empty

        self.generation += 1

        crossed = mutated = self.empty
        if len(self.best):
            count = min(self.crossovers, self.population_size)
            crossed = self.make_children(self._cross, count)
            count = min(self.mutations, self.population_size - len(crossed))
            mutated = self.make_children(self._mutate, count)
        random = self.sample_new(self.population_size - len(crossed) - len(mutated))
        return np.asfortranarray(np.concatenate([crossed, mutated, random]))

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Update the parents, the best architectures so far."""
        candidates = np.concatenate([self.best, codes])
        candidate_scores = np.concatenate([self.best_scores, scores])

        # Stable: of equal scores the architecture that was evaluated first stays a parent.
        order = np.argsort(-candidate_scores, kind="stable")[: self.num_parents]
        self.best = candidates[order]
        self.best_scores = candidate_scores[order]

    def learn(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Let known architectures become parents."""
        self.tell(codes, scores)

    def _cross(self) -> Codes:
        size = (2, _SURPLUS * self.population_size)
        mothers, fathers = self.rng.integers(len(self.best), size=size)
        return self.proposal_space.crossover(self.best[mothers], self.best[fathers], self.rng)

    def _mutate(self) -> Codes:
        rows = self.rng.integers(len(self.best), size=_SURPLUS * self.population_size)
        return self.proposal_space.mutate(self.best[rows], self.rng, self.mutation_probability)


def check_probability(strategy: str, name: str, value: float) -> None:
    """Raise InvalidOption unless the value of a strategy's option is a probability."""
    if not 0 <= value <= 1:
        raise InvalidOption(f"{strategy}: {name} must be between 0 and 1, not {value!r}")
