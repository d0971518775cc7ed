"""Identity of architectures, so that none is evaluated twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spaces.choice_space import ChoiceSpace, Codes
from spaces.codes import row_keys


def identity(space: ChoiceSpace, isomorphic: bool = False) -> Callable[[Codes], list[Any]]:
    """Return a function from codes [n, choices] to n keys, equal for equal architectures.

    Args:
        space: Space of the codes.
        isomorphic: Whether architectures that compute the same function have equal keys too; see
            `tables.benchmarks.isomorphism`.
    """
    if not isomorphic:
        return lambda codes: list(row_keys(codes, space.candidates).tolist())
    return lambda codes: list(map(tuple, space.isomorphism_keys(codes).tolist()))


class Seen:
    """A memory of architectures.

    Args:
        keys: Maps codes [n, choices] to n keys; see `identity`.
    """

    def __init__(self, keys: Callable[[Codes], list[Any]]):
        self.keys = keys
        self._seen: set[Any] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, key: object) -> bool:
        return key in self._seen

    def take(self, codes: Codes, limit: int | None = None) -> Codes:
        """Return the first `limit` rows of `codes` that are new, each once, and remember them."""
        rows: list[int] = []
        for row, key in enumerate(self.keys(codes)):
            if len(rows) == limit:
                break
            if key not in self._seen:
                self._seen.add(key)
                rows.append(row)
        return np.asfortranarray(codes[rows])

    def new(self, codes: Codes) -> Codes:
        """Return the rows of `codes` that are new, each once, without remembering them."""
        rows: dict[Any, int] = {}
        for row, key in enumerate(self.keys(codes)):
            if key not in self._seen:
                rows.setdefault(key, row)
        return np.asfortranarray(codes[list(rows.values())])
