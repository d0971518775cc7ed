"""Telling architectures apart, so that none is evaluated twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.choice_space import ChoiceSpace, Codes

_BITS = 63


def distinct(codes: Codes) -> Codes:
    """The distinct rows of codes [n, choices], each where it first occurs."""
    _, first = np.unique(_keys(codes, codes.max(0, initial=0) + 1), return_index=True)
    return codes[np.sort(first)]


def identity(space: ChoiceSpace, isomorphic: bool = False) -> Callable[[Codes], list[Any]]:
    """What makes of codes [n, choices] a list of n keys, equal for equal architectures.

    Args:
        space: whose codes.
        isomorphic: architectures that compute the same, as `tables.benchmarks.classes` tells, have
            one key too.
    """
    if not isomorphic:
        return lambda codes: list(_keys(codes, space.candidates).tolist())
    from tables.benchmarks.isomorphism import class_keys

    return lambda codes: list(map(tuple, class_keys(space, codes).tolist()))


class Seen:
    """The architectures that were asked for.

    Args:
        keys: codes [n, choices] -> n keys, from `identity`.
    """

    def __init__(self, keys: Callable[[Codes], list[Any]]):
        self.keys = keys
        self._known: set[Any] = set()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def take(self, codes: Codes, most: int | None = None) -> Codes:
        """The first `most` rows of `codes` that are new, each once; they are known from now on."""
        rows: list[int] = []
        for row, key in enumerate(self.keys(codes)):
            if len(rows) == most:
                break
            if key not in self._known:
                self._known.add(key)
                rows.append(row)
        return np.asfortranarray(codes[rows])

    def new(self, codes: Codes) -> Codes:
        """The rows of `codes` that are new, each once; they stay so."""
        rows: dict[Any, int] = {}
        for row, key in enumerate(self.keys(codes)):
            if key not in self._known:
                rows.setdefault(key, row)
        return np.asfortranarray(codes[list(rows.values())])


def _keys(codes: Codes, widths: Iterable[Any]) -> NDArray[Any]:
    """One value a row that tells rows apart, [n].

    Numbers where 63 bits hold them, since sorting numbers is ten times faster than sorting rows;
    bytes otherwise.
    """
    counts = [int(width) for width in widths]
    if math.prod(counts) < 1 << _BITS:
        keys = np.zeros(len(codes), dtype=np.int64)
        for column, width in enumerate(counts):
            keys *= width
            keys += codes[:, column]
        return keys
    rows = np.ascontiguousarray(codes)
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
