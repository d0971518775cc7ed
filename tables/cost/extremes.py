"""The least and the greatest of a cost over a space that is no sum over its choices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.cost.evolution import Cost, minimise

if TYPE_CHECKING:
    from spaces.space import SearchSpace

ENUMERATED = 1 << 17
"""Spaces of at most this size are enumerated, so that their extremes are exact."""

_SEED = 0


def extremes(
    space: SearchSpace, cost: Cost
) -> tuple[tuple[float, NDArray[np.int64]], tuple[float, NDArray[np.int64]]]:
    """The least and the greatest cost, each with codes [choices] that have it.

    A space of at most `ENUMERATED` architectures is enumerated. In a larger one the extremes are
    what an evolution with a fixed seed finds: attained by the codes given, but a lower or a higher
    cost may exist.

    Args:
        space: whose architectures.
        cost: codes [n, choices] -> costs [n].
    """
    if enumerable(space):
        return _least(space.enumerate_codes(1 << 13), cost), _greatest(
            space.enumerate_codes(1 << 13), cost
        )
    lowest = _least(_evolved(space, cost), cost)
    return lowest, _greatest(_evolved(space, lambda codes: -cost(codes)), cost)


def enumerable(space: SearchSpace) -> bool:
    """Whether the extremes of a space are found by enumeration."""
    return math.prod(map(int, space.candidates)) <= ENUMERATED


def _least(populations: Iterator[NDArray[Any]], cost: Cost) -> tuple[float, NDArray[np.int64]]:
    best: tuple[float, NDArray[np.int64]] | None = None
    for codes in populations:
        costs = cost(codes)
        row = int(costs.argmin())
        if best is None or costs[row] < best[0]:
            best = costs[row].item(), codes[row].astype(np.int64)
    assert best is not None, "a space has at least one architecture"
    return best


def _greatest(populations: Iterator[NDArray[Any]], cost: Cost) -> tuple[float, NDArray[np.int64]]:
    value, codes = _least(populations, lambda given: -cost(given))
    return -value, codes


def _evolved(space: SearchSpace, cost: Cost) -> Iterator[NDArray[Any]]:
    codes, _ = minimise(space, cost, np.random.default_rng(_SEED))
    yield codes
