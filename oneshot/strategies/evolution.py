"""SPOS's evolution under constraints (arXiv 1904.00420, algorithm 1; defaults of the release)."""

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


@register_strategy("evolution")
class Evolution(Strategy):
    """Keeps the best, breeds by crossover and mutation, fills up at random; never evaluates one
    twice.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
        population: architectures of a generation.
        generations: how many.
        parents: the best so far, from which children come.
        crossovers: children of two parents in a generation.
        mutations: children of one parent in a generation.
        mutation_probability: of each gene.

    Raises:
        InvalidOption: a probability above 1.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        population: int = 50,
        generations: int = 20,
        parents: int = 10,
        crossovers: int = 25,
        mutations: int = 25,
        mutation_probability: float = 0.1,
    ):
        super().__init__(problem, rng)
        check_probability("evolution", "mutation_probability", mutation_probability)
        self.population, self.generations, self.count = population, generations, parents
        self.crossovers, self.mutations, self.mutation_probability = (
            crossovers,
            mutations,
            mutation_probability,
        )
        self.generation = 0
        self.best, self.best_scores = self.nothing, np.empty(0)

    @property
    def planned(self) -> int:
        """Population x generations."""
        return self.population * self.generations

    def ask(self) -> Codes:
        """The next generation; smaller, and in the end empty, where the constraints leave nothing
        new.
        """
        if self.generation >= self.generations:
            return self.nothing
        self.generation += 1
        crossed = mutated = self.nothing
        if len(self.best):
            crossed = self.bred(self._cross, min(self.crossovers, self.population))
            mutated = self.bred(self._mutate, min(self.mutations, self.population - len(crossed)))
        filling = self.fresh(self.population - len(crossed) - len(mutated))
        return np.asfortranarray(np.concatenate([crossed, mutated, filling]))

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Keep the best parents seen so far."""
        known, values = (
            np.concatenate([self.best, codes]),
            np.concatenate([self.best_scores, scores]),
        )
        order = np.argsort(-values, kind="stable")[: self.count]
        self.best, self.best_scores = known[order], values[order]

    def _cross(self) -> Codes:
        mothers, fathers = self.rng.integers(len(self.best), size=(2, 4 * self.population))
        return self.within.crossover(self.best[mothers], self.best[fathers], self.rng)

    def _mutate(self) -> Codes:
        parents = self.best[self.rng.integers(len(self.best), size=4 * self.population)]
        return self.within.mutate(parents, self.rng, self.mutation_probability)


def check_probability(strategy: str, name: str, value: float) -> None:
    """Raise InvalidOption where an option is no probability."""
    if not 0 <= value <= 1:
        raise InvalidOption(f"{strategy}: {name} must be between 0 and 1, not {value!r}")
