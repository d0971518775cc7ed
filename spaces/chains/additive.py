"""Sums over choices: what each candidate of each choice adds, summed for many architectures at
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


_GROUP = 4096  # combined candidates of neighbouring choices that share one lookup


_CHUNK = 1 << 15  # architectures at a time, so that the working set stays in the cache


class Lookups:
    """What the candidates of architectures give, combined by an operation such as `np.add` or
    `np.maximum`.

    Args:
        terms: for each choice an array [candidates].
        combine: associative, of two arrays.
    """

    def __init__(self, terms: Sequence[NDArray[Any]], combine: np.ufunc):
        self.terms, self.combine = terms, combine

    def of(self, codes: NDArray[Any], first: float, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The terms of architectures `codes` (int array [n, choices]) combined with `first`, an
        array [n].
        """
        out = np.empty(len(codes), dtype=dtype)
        for start in range(0, len(codes), _CHUNK):
            part = codes[start : start + _CHUNK]
            total = out[start : start + _CHUNK]
            total[:] = first
            for begin, end, table in self._groups:
                index: NDArray[Any] = part[:, begin].astype(
                    np.int16 if len(table) <= 1 << 15 else np.int64
                )
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


class AdditiveTable:
    """A fixed part and one array of terms for every choice.

    Args:
        fixed: what every architecture has.
        terms: for each choice an array [candidates].
    """

    def __init__(self, fixed: float, terms: Sequence[NDArray[Any]]):
        self.fixed = fixed
        given = [np.asarray(term) for term in terms]
        # Sums of small integers would wrap around.
        self.terms = [term.astype(np.int64) if term.dtype.kind in "biu" else term for term in given]
        self.dtype = (
            np.result_type(np.min_scalar_type(fixed), *self.terms)
            if self.terms
            else np.dtype(float)
        )
        self._lookups = Lookups(self.terms, np.add)

    separable = True
    """The cost is decided choice by choice: `bounds` are exact and `expected` exists."""

    def __call__(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The sums of architectures `codes` (int array [n, choices]) as an array [n]."""
        return self._lookups.of(codes, self.fixed, self.dtype)

    def bounds(self) -> tuple[tuple[float, NDArray[np.int64]], tuple[float, NDArray[np.int64]]]:
        """The least and the greatest sum, each with the codes [choices] that have it."""
        least = np.array([int(term.argmin()) for term in self.terms], dtype=np.int64)
        greatest = np.array([int(term.argmax()) for term in self.terms], dtype=np.int64)
        low, high = self(np.stack([least, greatest]))
        return (low.item(), least), (high.item(), greatest)

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The differentiable expectation under independent `probabilities` (a tensor [...,
        candidates] a choice).
        """
        import torch

        parts = [
            (given * torch.as_tensor(term, dtype=given.dtype, device=given.device)).sum(-1)
            for given, term in zip(probabilities, self.terms, strict=True)
        ]
        return torch.stack(parts).sum(0) + self.fixed
