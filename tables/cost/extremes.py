"""The least and the greatest of a cost over a space that is no sum over its choices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spaces.space import SearchSpace

ENUMERATED = 1 << 17
"""Spaces of at most this size are enumerated, so that their extremes are exact."""

_POPULATION, _PARENTS, _GENERATIONS, _SEED = 512, 64, 60, 0

Cost = Callable[[NDArray[Any]], NDArray[Any]]


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
    lowest = _least(_evolution(space, cost), cost)
    return lowest, _greatest(_evolution(space, lambda codes: -cost(codes)), cost)


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


def _evolution(space: SearchSpace, cost: Cost) -> Iterator[NDArray[Any]]:
    # Only the space's own sampling, mutation and crossover: conditional choices stay consistent.
    rng = np.random.default_rng(_SEED)
    codes = space.sample(rng, 8 * _POPULATION)
    rate = 1.5 / len(space.choices)
    for _ in range(_GENERATIONS):
        yield codes
        parents = codes[np.argsort(cost(codes), kind="stable")[:_PARENTS]]
        mothers, fathers = (parents[rng.integers(_PARENTS, size=_POPULATION)] for _ in range(2))
        children = space.crossover(mothers, fathers, rng)
        changed = space.mutate(mothers, rng, rate)
        codes = np.asfortranarray(np.concatenate([parents, children, changed]))
    yield codes
