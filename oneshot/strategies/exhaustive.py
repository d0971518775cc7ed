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

# Combinations that are checked against the constraints; more would take minutes.
_MAX_COMBINATIONS = 1 << 22


@register_strategy("exhaustive")
class Exhaustive(Strategy):
    """Evaluates every architecture that meets the constraints, in the order of the codes.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Not used.
        limit: Largest number of architectures that meet the constraints.
        batch: Number of architectures requested at once.

    Raises:
        InvalidOption: More than `limit` architectures meet the constraints; their number is named.
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
        self.limit = limit
        self.batch_size = batch
        space = problem.space
        reduced_space = problem.reduced_space

        # An irregular space enumerates combinations that it then refuses; they take time too.
        combinations = reduced_space.size
        if reduced_space is space:
            combinations = math.prod(map(int, space.candidates))
        if combinations > _MAX_COMBINATIONS:
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

        self._batches = self._new_batches()

    @property
    def planned(self) -> int:
        """Number of architectures that meet the constraints, isomorphic ones included."""
        return self.count

    def ask(self) -> Codes:
        """Return the next batch."""
        return next(self._batches, self.empty)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Ignore the scores: the order does not depend on them."""

    def _feasible(self) -> Iterator[Codes]:
        for codes in self.problem.reduced_space.enumerate_codes():
            yield codes[self.problem.feasible(codes)]

    def _new_batches(self) -> Iterator[Codes]:
        for codes in self._feasible():
            for start in range(0, len(codes), self.batch_size):
                batch = self.seen.take(codes[start : start + self.batch_size])

                # All of a batch may be isomorphic to earlier architectures.
                if len(batch):
                    yield batch
