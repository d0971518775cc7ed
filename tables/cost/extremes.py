"""The least and the greatest cost in a space whose costs are no sums over its choices."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tables.cost.evolution import Cost, minimise

if TYPE_CHECKING:
    from spaces.space import SearchSpace

Extreme: TypeAlias = tuple[float, NDArray[Any]]
"""A cost and the codes [choices] that have it."""

ENUMERATED = 1 << 17
"""Spaces of at most this size are enumerated, so that their extremes are exact."""

_CHUNK = 1 << 13
_SEED = 0


def extremes(space: SearchSpace, cost: Cost) -> tuple[Extreme, Extreme]:
    """Return the least and the greatest cost, each with codes [choices] that have it.

    A space of at most `ENUMERATED` architectures is enumerated. In a larger one, an evolution with
    a fixed seed searches for the extremes: the returned codes attain them, but a lower or a higher
    cost may exist.

    Args:
        space: Space of the architectures.
        cost: Function of codes [n, choices] that returns costs [n].
    """

    def negated(codes: NDArray[Any]) -> NDArray[Any]:
        return -cost(codes)

    lowest = _least(_candidates(space, cost), cost)

    # The greatest cost is the least negated one, so that the same search finds it.
    value, codes = _least(_candidates(space, negated), negated)
    return lowest, (-value, codes)


def enumerable(space: SearchSpace) -> bool:
    """Return whether the extremes of a space are found by enumeration."""
    return math.prod(map(int, space.candidates)) <= ENUMERATED


def _candidates(space: SearchSpace, cost: Cost) -> Iterable[NDArray[Any]]:
    """Return the codes among which the least cost is, in chunks."""
    if enumerable(space):
        return space.enumerate_codes(_CHUNK)

    # A fixed seed: the bounds of a space are the same in every process.
    codes, _ = minimise(space, cost, np.random.default_rng(_SEED))
    return [codes]


def _least(chunks: Iterable[NDArray[Any]], cost: Cost) -> Extreme:
    best: Extreme | None = None
    for codes in chunks:
        costs = cost(codes)

        row = int(costs.argmin())
        # Strictly less: of equal costs the first architecture counts, whatever the chunks.
        if best is None or costs[row] < best[0]:
            best = costs[row].item(), codes[row].astype(np.int64)

    assert best is not None, "a space has at least one architecture"
    return best
