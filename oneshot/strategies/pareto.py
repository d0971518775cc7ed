"""NSGA-II over score and costs (Deb et al., IEEE TEC 2002), by pymoo with the space's operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.strategies.base import Strategy
from oneshot.strategies.evolution import check_probability
from oneshot.strategies.registry import register_strategy
from spaces.choice_space import ChoiceSpace
from spaces.space import Codes

if TYPE_CHECKING:
    from pymoo.core.population import Population

    from oneshot.search.problem import SearchProblem


@register_strategy("pareto")
class Pareto(Strategy):
    """Approximates the Pareto front of the score and the problem's objectives.

    A generation survives by non-dominated sorting and crowding distance.

    Args:
        problem: Space, guide, constraints and objectives of the search; the objectives are traded
            for the score.
        rng: Source of all randomness.
        population: Number of architectures per generation.
        generations: Number of generations.
        crossover_probability: Probability that a child comes from two parents rather than one.
        mutation_probability: Probability that a mutation redraws a choice.

    Raises:
        InvalidOption: A probability is above 1.
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
        self.population_size = population
        self.generations = generations
        self.crossover_probability = crossover_probability
        self.mutation_probability = mutation_probability
        self.generation = 0
        self._algorithm: Any = None

    @property
    def planned(self) -> int:
        """Size of the population times the number of generations."""
        return self.population_size * self.generations

    def ask(self) -> Codes:
        """Return the first population, then children of the survivors.

        Random architectures replace children that were evaluated before.
        """
        if self.generation >= self.generations:
            return self.empty
        self.generation += 1

        if self._algorithm is None:
            self._algorithm = self._set_up()
            return self.sample_new(self.population_size)

        offspring = self._algorithm.ask()
        children = self.empty

        # None where every child was a duplicate.
        if offspring is not None:
            children = offspring.get("X").astype(self.problem.space.dtype)
        children = self.seen.take(children)
        random = self.sample_new(self.population_size - len(children))
        return np.asfortranarray(np.concatenate([children, random]))

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Select the survivors among the old and the new architectures."""
        from pymoo.core.population import Population

        costs = [self.problem.costs[name].estimate(codes) for name in self.problem.traded]
        infills = Population.new("X", np.asarray(codes))

        # pymoo minimises.
        infills.set("F", np.stack([-scores, *costs], axis=1))
        infills.apply(lambda individual: individual.evaluated.update("FGH"))
        if not self._algorithm.is_initialized:
            # pymoo refuses results before its first `ask`, whose sample is not used.
            self._algorithm.ask()
        self._algorithm.tell(infills=infills)

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

        # The first population is replaced by proposals of the strategy.
        algorithm = NSGA2(
            pop_size=self.population_size,
            sampling=np.zeros((self.population_size, len(space.choices)), dtype=int),
            **_operators(self),
        )
        algorithm.setup(problem, termination=NoTermination(), seed=int(self.rng.integers(1 << 31)))
        return algorithm


def _operators(strategy: Pareto) -> dict[str, Any]:
    """Return pymoo's operators by the space's crossover and mutation."""
    return {
        "crossover": _crossover(strategy),
        "mutation": _mutation(strategy),
        "eliminate_duplicates": _elimination(strategy),
    }


def _crossover(strategy: Pareto) -> Any:
    # Defined inside of the function, since pymoo is imported only by searches that use it.
    from pymoo.core.crossover import Crossover

    space = strategy.problem.space

    class SpaceCrossover(Crossover):
        def _do(
            self,
            problem: Any,
            X: Any,  # noqa: N803 -- pymoo passes it by name
            *args: Any,
            random_state: Any = None,
            **kwargs: Any,
        ) -> Any:
            children = space.crossover(_codes(space, X[0]), _codes(space, X[1]), random_state)

            # pymoo's first axis counts the children of a pair.
            return children[None]

    return SpaceCrossover(n_parents=2, n_offsprings=1, prob=strategy.crossover_probability)


def _mutation(strategy: Pareto) -> Any:
    from pymoo.core.mutation import Mutation

    class SpaceMutation(Mutation):
        def _do(
            self,
            problem: Any,
            X: Any,  # noqa: N803 -- pymoo passes it by name
            *args: Any,
            random_state: Any = None,
            **kwargs: Any,
        ) -> Any:
            codes = _codes(strategy.problem.space, X)
            return strategy.proposal_space.mutate(
                codes, random_state, strategy.mutation_probability
            )

    return SpaceMutation()


def _elimination(strategy: Pareto) -> Any:
    """Return pymoo's elimination of duplicates.

    It also removes children that are infeasible or evaluated before.
    """
    from pymoo.core.duplicate import DuplicateElimination

    space = strategy.problem.space

    class KnownElimination(DuplicateElimination):
        def _do(
            self, pop: Population, other: Population | None, is_duplicate: NDArray[np.bool_]
        ) -> Any:
            codes = _codes(space, pop.get("X"))
            keys = strategy.seen.keys(codes)
            other_keys: set[Any] = set()
            if other is not None:
                other_keys = set(strategy.seen.keys(_codes(space, other.get("X"))))

            # Of equal children the first one stays.
            first_rows: dict[Any, int] = {}
            for row, key in enumerate(keys):
                is_repeated = first_rows.setdefault(key, row) != row
                is_duplicate[row] = is_repeated or key in other_keys or key in strategy.seen

            return is_duplicate | ~strategy.problem.feasible(codes)

    return KnownElimination()


def _codes(space: ChoiceSpace, values: NDArray[Any]) -> Codes:
    """Return pymoo's variables [n, choices] as codes."""
    return np.asfortranarray(values, dtype=space.dtype)
