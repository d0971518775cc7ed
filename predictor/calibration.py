"""From the scores of an ensemble to values with a deviation."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """A line from mean score to value, and what a prediction deviates by.

    A ranking loss gives scores on no scale. The line is fitted on out-of-fold scores: of each architecture by the
    members that did not train on it, since scores of architectures that were trained on separate too well.

    Args:
        slope: value per score; not negative, so that ranks are kept.
        intercept: value at score 0.
        noise: deviation of values from the line.
    """

    slope: float
    intercept: float
    noise: float

    @classmethod
    def fit(cls, scores: NDArray[np.float64], values: NDArray[np.float64]) -> Calibration:
        """Fit on out-of-fold scores [n] and values [n] by least squares."""
        variance = scores.var()
        covariance = ((scores - scores.mean()) * (values - values.mean())).mean()
        slope = max(float(covariance / variance), 0.0) if variance > 0 else 0.0
        intercept = float(values.mean() - slope * scores.mean())
        residuals = values - intercept - slope * scores
        return cls(slope, intercept, float(np.sqrt((residuals**2).mean())))

    def apply(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of members' scores [members, n]."""
        mean = self.intercept + self.slope * scores.mean(0)
        return mean, np.sqrt(self.noise**2 + (self.slope * scores.std(0)) ** 2)

    def to_dict(self) -> dict[str, float]:
        """Name -> value."""
        return asdict(self)
