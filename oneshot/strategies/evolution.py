"""SPOS's evolution under constraints (arXiv 1904.00420, algorithm 1; defaults of the release)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from oneshot.problem import SearchProblem, distinct
from oneshot.strategies.base import Strategy, register_strategy
from spaces.space import Codes

_TRIES = 20

Breed: TypeAlias = Callable[[], Codes]


@register_strategy("evolution")
class Evolution(Strategy):
    """Keeps the best, breeds by crossover and mutation, fills up at random; never evaluates one twice.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
        population: architectures of a generation.
        generations: how many.
        parents: the best so far, from which children come.
        crossovers: children of two parents in a generation.
        mutations: children of one parent in a generation.
        mutation_probability: of each gene.
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
        self.population, self.generations, self.count = population, generations, parents
        self.crossovers, self.mutations, self.mutation_probability = crossovers, mutations, mutation_probability
        self.generation = 0
        self.seen = problem.space.sample(rng, 0)
        self.best, self.best_scores = self.seen, np.empty(0)

    @property
    def planned(self) -> int:
        """Population x generations."""
        return self.population * self.generations

    def ask(self) -> Codes:
        """The next generation; smaller, and in the end empty, where the constraints leave nothing new."""
        if self.generation >= self.generations:
            return self.seen[:0]
        self.generation += 1
        drawn = self.seen[:0]
        if len(self.best):
            drawn = self._bred(drawn, self._cross, min(self.crossovers, self.population))
            drawn = self._bred(drawn, self._mutate, min(self.crossovers + self.mutations, self.population))
        fresh = self._new(drawn, self.problem.sample(self.rng, self.population + len(self.seen)))
        drawn = np.concatenate([drawn, fresh])[: self.population]
        self.seen = np.concatenate([self.seen, drawn])
        return np.asfortranarray(drawn)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Keep the best parents seen so far."""
        known, values = np.concatenate([self.best, codes]), np.concatenate([self.best_scores, scores])
        order = np.argsort(-values, kind="stable")[: self.count]
        self.best, self.best_scores = known[order], values[order]

    def _cross(self) -> Codes:
        mothers, fathers = self.rng.integers(len(self.best), size=(2, 4 * self.population))
        return self.problem.space.crossover(self.best[mothers], self.best[fathers], self.rng)

    def _mutate(self) -> Codes:
        parents = self.best[self.rng.integers(len(self.best), size=4 * self.population)]
        return self.problem.space.mutate(parents, self.rng, self.mutation_probability)

    def _bred(self, drawn: Codes, breed: Breed, count: int) -> Codes:
        """Add children to `drawn` until there are `count`, in a bounded number of tries."""
        for _ in range(_TRIES):
            if len(drawn) >= count:
                break
            children = breed()
            drawn = np.concatenate([drawn, self._new(drawn, children[self.problem.feasible(children)])])[:count]
        return drawn

    def _new(self, drawn: Codes, codes: Codes) -> Codes:
        """The distinct rows of `codes` that were neither evaluated nor drawn."""
        known = np.concatenate([self.seen, drawn])
        return distinct(np.concatenate([known, codes]))[len(known) :]
