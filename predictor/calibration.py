"""From the scores of an ensemble to values with a deviation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


_LEAST_SLOPE = 0.05  # deviations of the values per deviation of the scores
_WITHIN = 0.683  # of a normal distribution lies within one deviation
_LEAST_NOISE = 0.5  # of a member's deviation, whatever members differ by


@dataclass(frozen=True)
class Calibration:
    """A line from mean score to value, and what a prediction deviates by.

    A ranking loss gives each member scores on an origin and a scale of its own; `centres` and `scales` take them away.
    The line is fitted on out-of-fold scores: of each architecture by the member that did not train on it, since scores
    of architectures that were trained on separate too well. The deviation from it is the one that 68% of them keep, so
    that a few networks that fail altogether do not widen it for all; what single members differ by is taken off it,
    and comes back as the deviation of their mean.

    Args:
        slope: value per score; positive, so that ranks are kept.
        intercept: value at score 0.
        noise: deviation of values from the line that all members share.
        centres: each member's mean score over a uniform sample of the space, [members].
        scales: each member's deviation there, [members].
    """

    slope: float
    intercept: float
    noise: float
    centres: tuple[float, ...]
    scales: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        scores: NDArray[np.float64],
        values: NDArray[np.float64],
        fold: NDArray[np.int64],
        reference: NDArray[np.float64],
    ) -> Calibration:
        """Fit by least squares.

        Args:
            scores: out-of-fold, [n].
            values: [n].
            fold: the member that gave each score, [n].
            reference: all members' scores of a uniform sample of the space, [members, m].
        """
        centres, spread = reference.mean(1), reference.std(1)
        scales = np.where(spread > 0, spread, 1.0)
        scores = (scores - centres[fold]) / scales[fold]
        variance = scores.var()
        covariance = ((scores - scores.mean()) * (values - values.mean())).mean()
        # A few architectures may by chance tell of no slope, or of a negative one; the ranking stays.
        least = _LEAST_SLOPE * float(values.std())
        slope = max(float(covariance / variance), least) if variance > 0 else least
        intercept = float(values.mean() - slope * scores.mean())
        one = float(np.quantile(np.abs(values - intercept - slope * scores), _WITHIN))
        standard = (reference - centres[:, None]) / scales[:, None]
        apart = slope**2 * float(np.median(_variance_of_mean(standard))) * len(reference)
        noise = float(np.sqrt(max(one**2 - apart, (_LEAST_NOISE * one) ** 2)))
        return cls(slope, intercept, noise, tuple(centres.tolist()), tuple(scales.tolist()))

    def apply(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of members' scores [members, n]."""
        scores = (scores - np.array(self.centres)[:, None]) / np.array(self.scales)[:, None]
        mean = self.intercept + self.slope * scores.mean(0)
        return mean, np.sqrt(self.noise**2 + self.slope**2 * _variance_of_mean(scores))

    def of_members(self, scores: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
        """Means [n] of scores [n], each by the member `fold` [n] alone."""
        standard = (scores - np.array(self.centres)[fold]) / np.array(self.scales)[fold]
        return np.asarray(self.intercept + self.slope * standard)

    def mean_of(self, scores: Tensor) -> Tensor:
        """The mean of `apply`, as a tensor [n] of members' scores, tensor [members, n]."""
        centres, scales = (scores.new_tensor(each)[:, None] for each in (self.centres, self.scales))
        mean: Tensor = self.intercept + self.slope * ((scores - centres) / scales).mean(0)
        return mean

    def to_dict(self) -> dict[str, Any]:
        """Name -> value."""
        return asdict(self)


def _variance_of_mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variance [n] of the mean of members' scores [members, n]."""
    found: NDArray[np.float64] = scores.var(0) / max(len(scores) - 1, 1)
    return found
