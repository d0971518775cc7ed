"""Peaks: the greatest need among the blocks of an architecture, which run one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import Lookups

if TYPE_CHECKING:
    from torch import Tensor


class PeakTable:
    """Peaks of architectures by the needs of their candidates.

    Args:
        fixed: Greatest need of the blocks that every architecture has.
        terms: For each choice an array [candidates] of the candidates' needs.
    """

    separable = True
    """The peak is decided choice by choice: `bounds` are exact and `expected` exists."""

    def __init__(self, fixed: int, terms: Sequence[NDArray[np.int64]]):
        self.fixed = fixed
        self.terms = [np.asarray(term, dtype=np.int64) for term in terms]
        self._lookups = Lookups(self.terms, np.maximum)

    def __call__(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Return the peaks [n] of codes (int array [n, choices])."""
        return self._lookups.evaluate(codes, self.fixed, np.dtype(np.int64))

    def bounds(self) -> tuple[tuple[float, NDArray[np.int64]], tuple[float, NDArray[np.int64]]]:
        """Return the least and the greatest peak, each with codes [choices] that have it."""
        least = np.array([int(term.argmin()) for term in self.terms], dtype=np.int64)
        greatest = np.array([int(term.argmax()) for term in self.terms], dtype=np.int64)

        low, high = self(np.stack([least, greatest]))
        return (low.item(), least), (high.item(), greatest)

    def within(self, maximum: float) -> list[NDArray[np.bool_]]:
        """Return for each choice which candidates [candidates] a limit allows.

        The architectures within the limit are exactly the combinations of allowed candidates. No
        candidate is allowed where `fixed` exceeds the limit.

        Args:
            maximum: The greatest allowed peak.
        """
        return [np.maximum(term, self.fixed) <= maximum for term in self.terms]

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Return the exact differentiable expectation of the peak.

        With values v_1 < ... < v_m that a peak can have and F_c(v) the probability that choice c
        needs at most v, under independent choices P(peak <= v) = prod_c F_c(v), so that E = v_m -
        sum_k (v_{k+1} - v_k) prod_c F_c(v_k).

        Args:
            probabilities: For each choice a tensor [..., candidates].
        """
        import torch

        terms = [np.maximum(term, self.fixed) for term in self.terms]
        # The peak can only have the values of candidates, or that of the fixed blocks.
        values = np.unique(np.concatenate([[self.fixed], *terms]))
        # Below the greatest of the least needs no architecture exists, and the products are 0.
        lowest_peak = max([self.fixed, *(int(term.min()) for term in terms)])
        values = values[values >= lowest_peak]

        first = probabilities[0]
        # The product over choices of F_c(v_k), for k < m.
        below = first.new_ones((*first.shape[:-1], len(values) - 1))
        for probability, term in zip(probabilities, terms, strict=True):
            reached = torch.as_tensor(
                term[:, None] <= values[None, :-1],
                dtype=probability.dtype,
                device=probability.device,
            )
            below = below * (probability @ reached)

        steps = torch.as_tensor(np.diff(values), dtype=first.dtype, device=first.device)
        return float(values[-1]) - below @ steps
