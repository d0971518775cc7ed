"""Peaks: what an architecture needs at once, the greatest of what its parts need one after the
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import Lookups

if TYPE_CHECKING:
    from torch import Tensor


class PeakTable:
    """What every architecture needs at once, and for each choice what its candidates do.

    Args:
        fixed: the greatest need of what every architecture has.
        terms: for each choice an array [candidates].
    """

    def __init__(self, fixed: int, terms: Sequence[NDArray[np.int64]]):
        self.fixed = fixed
        self.terms = [np.asarray(term, dtype=np.int64) for term in terms]
        self._lookups = Lookups(self.terms, np.maximum)

    separable = True
    """The cost is decided choice by choice: `bounds` are exact and `expected` exists."""

    def __call__(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """The peaks of architectures `codes` (int array [n, choices]) as an array [n]."""
        return self._lookups.of(codes, self.fixed, np.dtype(np.int64))

    def bounds(self) -> tuple[tuple[float, NDArray[np.int64]], tuple[float, NDArray[np.int64]]]:
        """The least and the greatest peak, each with the codes [choices] that have it."""
        least = np.array([int(term.argmin()) for term in self.terms], dtype=np.int64)
        greatest = np.array([int(term.argmax()) for term in self.terms], dtype=np.int64)
        low, high = self(np.stack([least, greatest]))
        return (low.item(), least), (high.item(), greatest)

    def within(self, maximum: float) -> list[NDArray[np.bool_]]:
        """For each choice which candidates a peak of at most `maximum` allows, bool arrays
        [candidates].

        The architectures within it are exactly those of allowed candidates; none where `fixed` is
        above it.
        """
        return [np.maximum(term, self.fixed) <= maximum for term in self.terms]

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The differentiable expectation of the peak, exact.

        With values v_1 < ... < v_m that a peak can have and F_c(v) the probability that choice c
        needs at most v, under independent choices P(peak <= v) = prod_c F_c(v), so that E = v_m -
        sum_k (v_{k+1} - v_k) prod_c F_c(v_k).

        Args:
            probabilities: for each choice a tensor [..., candidates].
        """
        import torch

        terms = [np.maximum(term, self.fixed) for term in self.terms]
        values = np.unique(np.concatenate([[self.fixed], *terms]))
        # From the greatest least need on: below it no architecture stays, and the products are 0.
        values = values[values >= max([self.fixed, *(int(term.min()) for term in terms)])]
        first = probabilities[0]
        below = first.new_ones((*first.shape[:-1], len(values) - 1))
        for given, term in zip(probabilities, terms, strict=True):
            reached = torch.as_tensor(
                term[:, None] <= values[None, :-1], dtype=given.dtype, device=given.device
            )
            below = below * (given @ reached)
        steps = torch.as_tensor(np.diff(values), dtype=first.dtype, device=first.device)
        return float(values[-1]) - below @ steps
