"""Exhaustive search: every architecture that meets the constraints."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.strategies.base import Strategy
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

_MOST_COMBINATIONS = (
    1 << 22
)  # that are gone through in order to find those that meet the constraints


@register_strategy("exhaustive")
class Exhaustive(Strategy):
    """Evaluates all that there is, in the order of the codes; refuses more than a limit.

    Args:
        problem: what is searched.
        rng: not used.
        limit: of architectures that meet the constraints.
        batch: how many are asked for at once.

    Raises:
        InvalidOption: there are more than `limit`; their number is told.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        limit: int = 100_000,
        batch: int = 1000,
    ):
        super().__init__(problem, rng)
        self.limit, self.batch = limit, batch
        space, within = problem.space, problem.operators
        combinations = math.prod(map(int, space.candidates)) if within is space else within.size
        if combinations > _MOST_COMBINATIONS:
            raise InvalidOption(
                f"exhaustive: {space.name} has {space.size:.4g} architectures, too many to go"
                " through all; use another strategy"
            )
        problem.check_feasible()
        self.count = sum(map(len, self._feasible()))
        if self.count > limit:
            raise InvalidOption(
                f"exhaustive: {self.count} architectures of {space.name} meet the constraints; "
                f"the limit is {limit} (option limit)"
            )
        self._batches = self._new_ones()

    @property
    def planned(self) -> int:
        """How many architectures meet the constraints; of isomorphic ones all are counted."""
        return self.count

    def ask(self) -> Codes:
        """The next of the architectures."""
        return next(self._batches, self.nothing)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Nothing is learned."""

    def _feasible(self) -> Iterator[Codes]:
        for codes in self.problem.operators.enumerate_codes():
            yield codes[self.problem.feasible(codes)]

    def _new_ones(self) -> Iterator[Codes]:
        for codes in self._feasible():
            for start in range(0, len(codes), self.batch):
                found = self.seen.take(codes[start : start + self.batch])
                if len(found):
                    yield found
