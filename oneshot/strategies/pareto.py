"""NSGA-II over score and costs (Deb et al., IEEE TEC 2002), by pymoo with the operators of the
space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.strategies.base import Strategy
from oneshot.strategies.evolution import check_probability
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from pymoo.core.population import Population

    from oneshot.search.problem import SearchProblem


@register_strategy("pareto")
class Pareto(Strategy):
    """Keeps what is good by non-dominated sorting and crowding; gives a front of score and the
    problem's objectives.

    Args:
        problem: what is searched; its objectives are traded for the score.
        rng: all randomness comes from it.
        population: architectures of a generation.
        generations: how many.
        crossover_probability: that a child has two parents.
        mutation_probability: of each gene.

    Raises:
        InvalidOption: a probability above 1.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        population: int = 100,
        generations: int = 20,
        crossover_probability: float = 0.9,
        mutation_probability: float = 0.1,
    ):
        super().__init__(problem, rng)
        check_probability("pareto", "crossover_probability", crossover_probability)
        check_probability("pareto", "mutation_probability", mutation_probability)
        self.population, self.generations = population, generations
        self.crossover_probability, self.mutation_probability = (
            crossover_probability,
            mutation_probability,
        )
        self.generation = 0
        self._algorithm: Any = None

    @property
    def planned(self) -> int:
        """Population x generations."""
        return self.population * self.generations

    def ask(self) -> Codes:
        """The first population, or children of the survivors; filled up at random where children
        are known.
        """
        if self.generation >= self.generations:
            return self.nothing
        self.generation += 1
        if self._algorithm is None:
            self._algorithm = self._set_up()
            return self.fresh(self.population)
        offspring = self._algorithm.ask()
        children = (
            self.nothing
            if offspring is None
            else offspring.get("X").astype(self.problem.space.dtype)
        )
        children = self.seen.take(children)
        return np.asfortranarray(
            np.concatenate([children, self.fresh(self.population - len(children))])
        )

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Let the best of old and new survive."""
        from pymoo.core.population import Population

        costs = [self.problem.costs[name].estimate(codes) for name in self.problem.traded]
        told = Population.new("X", np.asarray(codes))
        told.set("F", np.stack([-scores, *costs], axis=1))
        told.apply(lambda individual: individual.evaluated.update("FGH"))
        if not self._algorithm.is_initialized:
            self._algorithm.ask()  # pymoo wants to be asked for what it is told
        self._algorithm.tell(infills=told)

    def _set_up(self) -> Any:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import Problem
        from pymoo.core.termination import NoTermination

        space = self.problem.space
        problem = Problem(
            n_var=len(space.choices),
            n_obj=1 + len(self.problem.traded),
            xl=0,
            xu=space.candidates - 1,
        )
        algorithm = NSGA2(
            pop_size=self.population,
            sampling=np.zeros((self.population, len(space.choices)), dtype=int),
            **_operators(self),
        )
        algorithm.setup(problem, termination=NoTermination(), seed=int(self.rng.integers(1 << 31)))
        return algorithm


def _operators(strategy: Pareto) -> dict[str, Any]:
    """Crossover and mutation of the space, and what leaves out children that are known or
    infeasible.
    """
    from pymoo.core.crossover import Crossover
    from pymoo.core.duplicate import DuplicateElimination
    from pymoo.core.mutation import Mutation

    space = strategy.problem.space

    def codes_of(values: NDArray[Any]) -> Codes:
        return np.asfortranarray(values, dtype=space.dtype)

    class OfSpace(Crossover):
        def _do(
            self,
            problem: Any,
            X: Any,  # noqa: N803 -- pymoo passes it by name
            *args: Any,
            random_state: Any = None,
            **kwargs: Any,
        ) -> Any:
            return space.crossover(codes_of(X[0]), codes_of(X[1]), random_state)[None]

    class OfGenes(Mutation):
        def _do(
            self,
            problem: Any,
            X: Any,  # noqa: N803 -- pymoo passes it by name
            *args: Any,
            random_state: Any = None,
            **kwargs: Any,
        ) -> Any:
            return strategy.within.mutate(codes_of(X), random_state, strategy.mutation_probability)

    class Known(DuplicateElimination):
        def _do(
            self, pop: Population, other: Population | None, is_duplicate: NDArray[np.bool_]
        ) -> Any:
            codes = codes_of(pop.get("X"))
            keys = strategy.seen.keys(codes)
            against = set() if other is None else set(strategy.seen.keys(codes_of(other.get("X"))))
            first: dict[Any, int] = {}
            for row, key in enumerate(keys):
                first.setdefault(key, row)
                is_duplicate[row] = first[key] != row or key in against or key in strategy.seen
            return is_duplicate | ~strategy.problem.feasible(codes)

    return {
        "crossover": OfSpace(n_parents=2, n_offsprings=1, prob=strategy.crossover_probability),
        "mutation": OfGenes(),
        "eliminate_duplicates": Known(),
    }
