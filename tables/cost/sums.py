"""Costs of architectures as sums of block costs.

They are sums over the choices where a space is additive, over counted blocks elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.errors import NotAdditive
from tables.cost.extremes import Extreme as Extreme
from tables.cost.extremes import extremes

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.block import Block
    from spaces.space import SearchSpace

Array: TypeAlias = NDArray[np.float64]

# Architectures at a time, so that their counts [n, keys] stay small.
_CHUNK = 1 << 13


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
        """Return the least and the greatest cost, each with codes that have it."""

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Return the differentiable expected cost.

        Args:
            probabilities: For each choice a tensor [..., candidates].

        Raises:
            NotAdditive: The cost is not separable.
        """


class SearchedSums:
    """Costs by any function of the codes, whose bounds are searched for.

    Args:
        space: Space of the architectures.
        cost: Function of codes [n, choices] that returns costs [n].
    """

    separable = False

    def __init__(self, space: SearchSpace, cost: Callable[[NDArray[Any]], NDArray[Any]]):
        self.space = space
        self.cost = cost

    def __call__(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the costs [n] of codes (int array [n, choices])."""
        # At least one chunk, so that no codes still give an array of the right type.
        starts = range(0, max(1, len(codes)), _CHUNK)
        return np.concatenate([self.cost(codes[start : start + _CHUNK]) for start in starts])

    def bounds(self) -> tuple[Extreme, Extreme]:
        """Return the least and the greatest cost; exact for small spaces only, see `extremes`."""
        return self._extremes

    @cached_property
    def _extremes(self) -> tuple[Extreme, Extreme]:
        return extremes(self.space, self)

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Raise NotAdditive: no expectation exists over independent choices."""
        raise NotAdditive(f"costs of {self.space.name} are not sums over its choices")


def counted_sums(
    space: SearchSpace, costs: Mapping[str, float], fixed: float = 0.0
) -> SearchedSums:
    """Return costs that add each block's cost as often as the block occurs.

    Args:
        space: Space that counts its blocks by `block_counts`.
        costs: Block key -> cost, for every key of the space.
        fixed: Cost added to every architecture.
    """

    def cost(codes: NDArray[Any]) -> Array:
        keys, counts = space.block_counts(codes)

        # Not matmul: its order of summing, and so the last digit, depends on the number of rows.
        total = np.full(len(codes), fixed)
        for column, key in enumerate(keys):
            total += counts[:, column] * costs[key]
        return total

    return SearchedSums(space, cost)


def block_sums(space: SearchSpace, cost: Callable[[Block], float]) -> CostTable:
    """Return the plain sums of block costs, by the fastest way that the space allows."""
    if space.additive:
        return space.additive_table(cost)
    return counted_sums(space, {key: cost(block) for key, block in space.all_blocks.items()})


def correction_features(space: SearchSpace, codes: NDArray[Any]) -> Array:
    """Return the features [n, features] that a correction is fitted on.

    They are the one-hot candidates where the space is additive, block counts elsewhere.
    """
    if space.additive:
        return space.one_hot(codes)
    _, counts = space.block_counts(codes)
    return counts.astype(np.float64)
