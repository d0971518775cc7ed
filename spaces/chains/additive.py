"""Sums over choices: what each candidate of each choice adds, summed for many architectures at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.lookups import Lookups

if TYPE_CHECKING:
    from torch import Tensor


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
        self.dtype = np.result_type(np.min_scalar_type(fixed), *self.terms) if self.terms else np.dtype(float)
        self._lookups = Lookups(self.terms, np.add)

    def sum(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The sums of architectures `codes` (int array [n, choices]) as an array [n]."""
        return self._lookups.of(codes, self.fixed, self.dtype)

    def bounds(self) -> tuple[tuple[float, NDArray[np.int64]], tuple[float, NDArray[np.int64]]]:
        """The least and the greatest sum, each with the codes [choices] that have it."""
        least = np.array([int(term.argmin()) for term in self.terms], dtype=np.int64)
        greatest = np.array([int(term.argmax()) for term in self.terms], dtype=np.int64)
        low, high = self.sum(np.stack([least, greatest]))
        return (low.item(), least), (high.item(), greatest)

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The differentiable expectation under independent `probabilities` (a tensor [..., candidates] a choice)."""
        import torch

        parts = [
            (given * torch.as_tensor(term, dtype=given.dtype, device=given.device)).sum(-1)
            for given, term in zip(probabilities, self.terms, strict=True)
        ]
        return torch.stack(parts).sum(0) + self.fixed
