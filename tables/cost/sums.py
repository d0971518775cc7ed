"""What architectures cost as sums: over the choices where a space is additive, over counted blocks
everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.errors import NotAdditive
from tables.cost.extremes import extremes

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.block import Block
    from spaces.space import SearchSpace

_CHUNK = 1 << 13  # architectures at a time: their counts [n, keys] stay small

Extreme: TypeAlias = tuple[float, NDArray[Any]]
"""A cost and the codes [choices] that have it."""


class CostTable(Protocol):
    """The costs of a space's architectures: `AdditiveTable`, `PeakTable` and `SearchedSums`."""

    @property
    def separable(self) -> bool:
        """Whether the cost is decided choice by choice.

        Then `bounds` are exact and `expected` exists.
        """

    def __call__(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the costs [n] of codes (int array [n, choices])."""

    def bounds(self) -> tuple[Extreme, Extreme]:
        """Return the least and the greatest cost, each with the codes that have it."""

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Return the differentiable expected cost.

        Args:
            probabilities: For each choice a tensor [..., candidates].

        Raises:
            NotAdditive: The cost is not separable.
        """


class SearchedSums:
    """Costs by any function of the codes.

    Args:
        space: whose architectures.
        cost: codes [n, choices] -> costs [n].
    """

    def __init__(self, space: SearchSpace, cost: Callable[[NDArray[Any]], NDArray[Any]]):
        self.space, self.cost = space, cost

    separable = False

    def __call__(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The costs of codes (int array [n, choices]) as an array [n]."""
        parts = [
            self.cost(codes[start : start + _CHUNK])
            for start in range(0, max(1, len(codes)), _CHUNK)
        ]
        return np.concatenate(parts)

    def bounds(self) -> tuple[Extreme, Extreme]:
        """The least and the greatest cost that `tables.cost.extremes` finds: exact for small spaces
        only.
        """
        return self._extremes

    @cached_property
    def _extremes(self) -> tuple[Extreme, Extreme]:
        return extremes(self.space, self)

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Raise NotAdditive: no expectation exists over independent choices."""
        raise NotAdditive(f"costs of {self.space.name} are not sums over its choices")


def counted(space: SearchSpace, costs: Mapping[str, float], fixed: float = 0.0) -> SearchedSums:
    """Costs as `fixed` plus the cost of every block that occurs, as often as it occurs.

    Args:
        space: counts its blocks by `block_counts`.
        costs: block key -> cost; every key of the space.
        fixed: added to every architecture.
    """

    def cost(codes: NDArray[Any]) -> NDArray[np.float64]:
        keys, counts = space.block_counts(codes)
        # Not matmul: its order of summing, and so the last digit, depends on how many rows there
        # are.
        total = np.full(len(codes), fixed)
        for column, key in enumerate(keys):
            total += counts[:, column] * costs[key]
        return total

    return SearchedSums(space, cost)


def block_sums(space: SearchSpace, cost: Callable[[Block], float]) -> CostTable:
    """The plain sum of block costs, by the fastest way that the space allows."""
    if space.additive:
        return space.additive_table(cost)
    return counted(space, {key: cost(block) for key, block in space.all_blocks.items()})


def features(space: SearchSpace, codes: NDArray[Any]) -> NDArray[np.float64]:
    """What a correction may lean on, float [n, features]: candidates where the space is additive,
    else block counts.
    """
    if space.additive:
        return space.one_hot(codes)
    return space.block_counts(codes)[1].astype(np.float64)
