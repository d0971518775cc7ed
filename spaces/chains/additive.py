"""Sums over choices: the term of each candidate, added up for many architectures at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

_MERGED_ENTRIES = 4096
"""Largest table of combined candidates of neighbouring choices."""

_CHUNK = 1 << 15
"""Architectures at a time, so that the working set stays in the cache."""

_INT16_ENTRIES = 1 << 15


class Lookups:
    """Terms of candidates, combined over choices by an operation such as `np.add` or `np.maximum`.

    Args:
        terms: For each choice an array [candidates].
        combine: Associative function of two arrays.
    """

    def __init__(self, terms: Sequence[NDArray[Any]], combine: np.ufunc):
        self.terms = terms
        self.combine = combine

    def evaluate(self, codes: NDArray[Any], initial: float, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Combine the terms of architectures with an initial value.

        Args:
            codes: Int array [n, choices].
            initial: Value that each result begins with.
            dtype: Type of the result.

        Returns:
            Array [n].
        """
        results = np.empty(len(codes), dtype=dtype)
        for start in range(0, len(codes), _CHUNK):
            rows = codes[start : start + _CHUNK]
            totals = results[start : start + _CHUNK]
            totals[:] = initial
            for begin, end, table in self._merged:
                # Mixed-radix index of the merged choices; int16 halves the memory traffic.
                small = len(table) <= _INT16_ENTRIES
                index: NDArray[Any] = rows[:, begin].astype(np.int16 if small else np.int64)
                for column in range(begin + 1, end):
                    index *= len(self.terms[column])
                    index += rows[:, column]

                self.combine(totals, table[index], out=totals)

        return results

    @cached_property
    def _merged(self) -> list[tuple[int, int, NDArray[Any]]]:
        """Ranges of neighbouring choices with the table of all their combinations."""
        # One lookup in 4096 entries costs as much as one in 4, so that fewer lookups are faster.
        groups: list[tuple[int, int, NDArray[Any]]] = []
        for column, term in enumerate(self.terms):
            if groups and len(groups[-1][2]) * len(term) <= _MERGED_ENTRIES:
                begin, _, table = groups.pop()
                groups.append((begin, column + 1, self.combine.outer(table, term).reshape(-1)))
            else:
                groups.append((column, column + 1, term))

        return groups


class AdditiveTable:
    """A constant and one array of terms for every choice, which an architecture's cost sums.

    Args:
        fixed: Cost that every architecture has.
        terms: For each choice the term of each candidate, array [candidates].
    """

    separable = True
    """Each choice contributes on its own, so that `bounds` are exact and `expected` exists."""

    def __init__(self, fixed: float, terms: Sequence[NDArray[Any]]):
        self.fixed = fixed

        # Sums of small integers would overflow.
        self.terms = [
            term.astype(np.int64) if term.dtype.kind in "biu" else term
            for term in map(np.asarray, terms)
        ]
        self.dtype = (
            # Integer costs stay exact integers.
            np.result_type(np.min_scalar_type(fixed), *self.terms)
            if self.terms
            else np.dtype(float)
        )
        self._lookups = Lookups(self.terms, np.add)

    def __call__(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the sums [n] of architectures `codes` (int array [n, choices])."""
        return self._lookups.evaluate(codes, self.fixed, self.dtype)

    def bounds(self) -> tuple[tuple[float, NDArray[np.int64]], tuple[float, NDArray[np.int64]]]:
        """Return the least and the greatest sum, each with the codes [choices] that have it."""
        cheapest = np.array([int(term.argmin()) for term in self.terms], dtype=np.int64)
        dearest = np.array([int(term.argmax()) for term in self.terms], dtype=np.int64)
        # Evaluated as any architecture is, so that bounds equal costs to the last digit.
        low, high = self(np.stack([cheapest, dearest]))
        return (low.item(), cheapest), (high.item(), dearest)

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Return the differentiable expectation under independent distributions.

        Args:
            probabilities: For each choice a tensor [..., candidates].

        Returns:
            Tensor [...].
        """
        import torch

        expectations = [
            (values * torch.as_tensor(term, dtype=values.dtype, device=values.device)).sum(-1)
            for values, term in zip(probabilities, self.terms, strict=True)
        ]
        return torch.stack(expectations).sum(0) + self.fixed
