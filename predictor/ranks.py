"""Monotone maps between values and the normal scores of their ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

# A tail continues with the mean slope over this fraction of the values: 1 / 4.
_TAIL_DIVISOR = 4
# Quantile below which values are equal where distances count: networks that fail to train are far
# from all others, and how far teaches nothing about those.
_LOWEST_QUANTILE = 0.15
# Scale of the inverse hyperbolic sine, in median distances from the median.
_UNIT_FACTOR = 2.0


@dataclass(frozen=True)
class NormalScores:
    """A monotone map between values and normal scores.

    Accuracies crowd near the best one and trail off far below; on the scale of normal scores the
    few values far below do not dominate a fit. The map is linear between its points and continues
    beyond them with the mean slope of the outer quarter.

    Args:
        scores: Normal scores of the points, ascending, [m].
        values: Values of the points, ascending, [m].
    """

    scores: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def from_values(cls, values: NDArray[np.float64]) -> NormalScores:
        """Fit the map to values [n]; equal values share the mean of their ranks."""
        from scipy.stats import norm

        distinct, counts = np.unique(values, return_counts=True)
        # The middle of each value's ranks is its quantile, which is never 0 or 1.
        middle_ranks = np.cumsum(counts) - counts / 2
        return cls(np.asarray(norm.ppf(middle_ranks / len(values))), distinct)

    @classmethod
    def from_ranks_and_values(cls, values: NDArray[np.float64]) -> NormalScores:
        """Fit the map to values [n] so that their distances count as well as their ranks.

        The score is the mean of three standardised ones: the normal score; the value, where those
        below the quantile .15 are raised to it; and the inverse hyperbolic sine of the distance
        from the median, in units of twice the median distance. By ranks alone the values of
        networks that differ by their training's noise are as far apart as those of different
        networks, and a process must explain the distance by its features.

        Example:
            >>> import numpy as np
            >>> from predictor.ranks import NormalScores
            >>> values = np.array([10.0, 90.0, 90.1, 92.0, 94.0])
            >>> gaps = np.diff(NormalScores.from_ranks_and_values(values).to_scores(values))
            >>> bool(gaps[1] < gaps[2])
            True
        """
        ranks = cls.from_values(values)
        distances = values - np.median(values)
        unit = _UNIT_FACTOR * float(np.median(np.abs(distances)))
        # Where most values are equal, the others' distances have no unit.
        if unit == 0:
            return ranks

        raised = np.maximum(values, np.quantile(values, _LOWEST_QUANTILE))
        scores = _standardised(
            _standardised(ranks.to_scores(values))
            + _standardised(raised)
            + _standardised(np.arcsinh(distances / unit))
        )
        _, first_rows = np.unique(values, return_index=True)
        return cls(scores[first_rows], ranks.values)

    def to_scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map values [n] to scores [n], clipped to the range of the map's points."""
        return np.asarray(np.interp(values, self.values, self.scores))

    def to_values(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Map scores [n] to values [n], strictly ascending with the scores."""
        # A single point has no slope.
        if len(self.values) < 2:
            return np.full(len(scores), self.values[0])

        low_slope, high_slope = self._tail_slopes()
        inside = np.interp(scores, self.scores, self.values)
        below = np.minimum(scores - self.scores[0], 0)
        above = np.maximum(scores - self.scores[-1], 0)
        return np.asarray(inside + low_slope * below + high_slope * above)

    def to_values_relaxed(self, scores: Tensor) -> Tensor:
        """Map scores, a tensor [n], to values [n] like `to_values`, differentiably."""
        import torch

        if len(self.values) < 2:
            # The product keeps the result in the graph, with a gradient of zero.
            return torch.full_like(scores, float(self.values[0])) + 0 * scores

        low_slope, high_slope = self._tail_slopes()
        inner_slopes = np.diff(self.values) / np.diff(self.scores)
        slopes = np.concatenate([[low_slope], inner_slopes, [high_slope]])
        # The lower tail and the first piece begin at the same point.
        start = np.concatenate([[0], np.arange(len(self.scores))])
        piece = torch.bucketize(scores.detach(), scores.new_tensor(self.scores))
        origin = scores.new_tensor(self.scores[start])[piece]
        value = scores.new_tensor(self.values[start])[piece]
        slope = scores.new_tensor(slopes)[piece]
        mapped: Tensor = value + slope * (scores - origin)
        return mapped

    def thinned(self, count: int) -> NormalScores:
        """Return the map through at most `count` of its points, evenly spaced by rank.

        The outer points are always among them.
        """
        if len(self.values) <= count:
            return self
        indices = np.linspace(0, len(self.values) - 1, count).round().astype(np.int64)
        return NormalScores(self.scores[indices], self.values[indices])

    def spread(
        self, scores: NDArray[np.float64], deviation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Convert deviations of scores to the unit of the values.

        Args:
            scores: Mean scores, [n].
            deviation: Their standard deviations, [n].

        Returns:
            Half the distance between the values one deviation above and below each score, [n].
        """
        upper = self.to_values(scores + deviation)
        lower = self.to_values(scores - deviation)
        return np.asarray((upper - lower) / 2)

    def _tail_slopes(self) -> tuple[float, float]:
        """Return the slopes below the least score and above the greatest."""
        quarter = max(len(self.values) // _TAIL_DIVISOR, 1)
        low = (self.values[quarter] - self.values[0]) / (self.scores[quarter] - self.scores[0])
        high = (self.values[-1] - self.values[-1 - quarter]) / (
            self.scores[-1] - self.scores[-1 - quarter]
        )
        return float(low), float(high)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values [n], not all of them equal, with the mean 0 and the deviation 1."""
    return np.asarray((values - values.mean()) / values.std())
