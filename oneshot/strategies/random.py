"""Random search: distinct architectures that meet the constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.strategies.base import Strategy
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem


@register_strategy("random")
class RandomSearch(Strategy):
    """Evaluates a uniform sample at once.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
        evaluations: how many.
    """

    def __init__(
        self, problem: SearchProblem, rng: np.random.Generator, *, evaluations: int = 1000
    ):
        super().__init__(problem, rng)
        self.evaluations = evaluations
        self.asked = False

    @property
    def planned(self) -> int:
        """The evaluations asked for."""
        return self.evaluations

    def ask(self) -> Codes:
        """All evaluations the first time, none after."""
        if self.asked:
            return self.nothing
        self.asked = True
        return self.fresh(self.evaluations)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Nothing is learned."""
