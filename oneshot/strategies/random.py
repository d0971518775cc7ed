"""Random search: distinct architectures that meet the constraints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneshot.problem import SearchProblem
from oneshot.strategies.base import Strategy, register_strategy
from spaces.space import Codes


@register_strategy("random")
class RandomSearch(Strategy):
    """Evaluates a uniform sample at once.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
        evaluations: how many.
    """

    def __init__(self, problem: SearchProblem, rng: np.random.Generator, *, evaluations: int = 1000):
        super().__init__(problem, rng)
        self.evaluations = evaluations
        self.asked = False

    @property
    def planned(self) -> int:
        """The evaluations asked for."""
        return self.evaluations

    def ask(self) -> Codes:
        """All evaluations the first time, none after."""
        count = 0 if self.asked else self.evaluations
        self.asked = True
        return self.problem.sample(self.rng, count) if count else self.problem.space.sample(self.rng, 0)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Nothing is learned."""
