"""Telling architectures apart, so that none is evaluated twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spaces.choice_space import ChoiceSpace, Codes
from spaces.codes import row_keys


def identity(space: ChoiceSpace, isomorphic: bool = False) -> Callable[[Codes], list[Any]]:
    """What makes of codes [n, choices] a list of n keys, equal for equal architectures.

    Args:
        space: whose codes.
        isomorphic: architectures that compute the same, as `tables.benchmarks.classes` tells, have
            one key too.
    """
    if not isomorphic:
        return lambda codes: list(row_keys(codes, space.candidates).tolist())
    return lambda codes: list(map(tuple, space.isomorphism_keys(codes).tolist()))


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
