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
    """Evaluates one uniform sample.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Source of all randomness.
        evaluations: Number of architectures to evaluate.
    """

    def __init__(
        self, problem: SearchProblem, rng: np.random.Generator, *, evaluations: int = 1000
    ):
        super().__init__(problem, rng)
        self.evaluations = evaluations
        self._has_asked = False

    @property
    def planned(self) -> int:
        """The option `evaluations`."""
        return self.evaluations

    def ask(self) -> Codes:
        """Return the whole sample at the first call and nothing afterwards."""
        if self._has_asked:
            return self.empty
        self._has_asked = True
        return self.sample_new(self.evaluations)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Ignore the scores: the sample does not depend on them."""
