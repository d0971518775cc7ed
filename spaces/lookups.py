"""Lookups: one number a candidate, combined over the choices of many architectures at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GROUP = 4096  # combined candidates of neighbouring choices that share one lookup
_CHUNK = 1 << 15  # architectures at a time, so that the working set stays in the cache


class Lookups:
    """What the candidates of architectures give, combined by an operation such as `np.add` or `np.maximum`.

    Args:
        terms: for each choice an array [candidates].
        combine: associative, of two arrays.
    """

    def __init__(self, terms: Sequence[NDArray[Any]], combine: np.ufunc):
        self.terms, self.combine = terms, combine

    def of(self, codes: NDArray[Any], first: float, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The terms of architectures `codes` (int array [n, choices]) combined with `first`, an array [n]."""
        out = np.empty(len(codes), dtype=dtype)
        for start in range(0, len(codes), _CHUNK):
            part = codes[start : start + _CHUNK]
            total = out[start : start + _CHUNK]
            total[:] = first
            for begin, end, table in self._groups:
                index: NDArray[Any] = part[:, begin].astype(np.int16 if len(table) <= 1 << 15 else np.int64)
                for column in range(begin + 1, end):
                    index *= len(self.terms[column])
                    index += part[:, column]
                self.combine(total, table[index], out=total)
        return out

    @cached_property
    def _groups(self) -> list[tuple[int, int, NDArray[Any]]]:
        # Neighbouring choices are merged: one lookup in 4096 entries costs as much as one in 4.
        groups: list[tuple[int, int, NDArray[Any]]] = []
        for column, term in enumerate(self.terms):
            if groups and len(groups[-1][2]) * len(term) <= _GROUP:
                begin, _, table = groups.pop()
                groups.append((begin, column + 1, self.combine.outer(table, term).reshape(-1)))
            else:
                groups.append((column, column + 1, term))
        return groups
