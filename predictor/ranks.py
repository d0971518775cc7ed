"""Values as normal scores of their ranks, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

_TAIL = 4  # parts of the values that a tail is extended by the slope of


@dataclass(frozen=True)
class NormalScores:
    """A monotone map between values and normal scores.

    Accuracies crowd near the best and trail off far below; what is learned of their ranks is not
    ruled by the trail. Between known values the map is linear; beyond them it goes on with the mean
    slope of the outer quarter.

    Args:
        scores: ascending, [m].
        values: ascending, [m].
    """

    scores: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> NormalScores:
        """The map of values [n]; equal ones share the mean of their ranks."""
        from scipy.stats import norm

        distinct, counts = np.unique(values, return_counts=True)
        middle = np.cumsum(counts) - counts / 2
        return cls(np.asarray(norm.ppf(middle / len(values))), distinct)

    def to_scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores [n] of values [n] among those of the map."""
        return np.asarray(np.interp(values, self.values, self.scores))

    def to_values(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """The values [n] of scores [n], strictly ascending with them."""
        if len(self.values) < 2:
            return np.full(len(scores), self.values[0])
        low, high = self._tails()
        inside = np.interp(scores, self.scores, self.values)
        below, above = (
            np.minimum(scores - self.scores[0], 0),
            np.maximum(scores - self.scores[-1], 0),
        )
        return np.asarray(inside + low * below + high * above)

    def to_values_relaxed(self, scores: Tensor) -> Tensor:
        """What `to_values` gives of scores, tensor [n], differentiable."""
        import torch

        if len(self.values) < 2:
            return torch.full_like(scores, float(self.values[0])) + 0 * scores
        low, high = self._tails()
        slopes = np.concatenate([[low], np.diff(self.values) / np.diff(self.scores), [high]])
        start = np.concatenate([[0], np.arange(len(self.scores))])
        piece = torch.bucketize(scores.detach(), scores.new_tensor(self.scores))
        origin, value, slope = (
            scores.new_tensor(each)[piece]
            for each in (self.scores[start], self.values[start], slopes)
        )
        found: Tensor = value + slope * (scores - origin)
        return found

    def thinned(self, count: int) -> NormalScores:
        """The map through `count` of its points at most, evenly spaced by rank, the outer ones
        among them.
        """
        if len(self.values) <= count:
            return self
        kept = np.linspace(0, len(self.values) - 1, count).round().astype(np.int64)
        return NormalScores(self.scores[kept], self.values[kept])

    def _tails(self) -> tuple[float, float]:
        """The slopes below the least score and above the greatest."""
        quarter = max(len(self.values) // _TAIL, 1)
        low = (self.values[quarter] - self.values[0]) / (self.scores[quarter] - self.scores[0])
        high = (self.values[-1] - self.values[-1 - quarter]) / (
            self.scores[-1] - self.scores[-1 - quarter]
        )
        return float(low), float(high)

    def spread(
        self, scores: NDArray[np.float64], deviation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The deviations [n], in the unit of the values, of scores [n] that deviate by [n]."""
        return np.asarray(
            (self.to_values(scores + deviation) - self.to_values(scores - deviation)) / 2
        )
