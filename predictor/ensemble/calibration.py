"""From the scores of an ensemble to values with a deviation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictor.ranks import NormalScores

if TYPE_CHECKING:
    from torch import Tensor


_KNOTS = (
    17  # of the curve from ranks to values; all of the values would make it jump between close ones
)
_LEAST_SLOPE = 0.05  # deviations of the values' normal scores per deviation of the scores
_WITHIN = 0.683  # of a normal distribution lies within one deviation
_LEAST_NOISE = 0.5  # of a member's deviation, whatever members differ by


@dataclass(frozen=True)
class Calibration:
    """A line from mean score to the normal score of a value's rank, from there a curve to the
    value, and a deviation.

    A ranking loss gives each member scores on an origin and a scale of its own; `centres` and
    `scales` take them away. The line is fitted on out-of-fold scores: of each architecture by the
    member that did not train on it, since scores of architectures that were trained on separate too
    well. The deviation from it is the one that 68% of them keep, so that a few networks that fail
    altogether do not widen it for all; what single members differ by is taken off it, and comes
    back as the deviation of their mean. The curve follows the values' own distribution: accuracies
    crowd below a best one, which a line would overshoot.

    Args:
        slope: normal score per score; positive, so that ranks are kept.
        intercept: normal score at score 0.
        noise: deviation of normal scores from the line that all members share.
        centres: each member's mean score over a uniform sample of the space, [members].
        scales: each member's deviation there, [members].
        curve: from normal scores to values.
    """

    slope: float
    intercept: float
    noise: float
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    curve: NormalScores

    @classmethod
    def fit(
        cls,
        scores: NDArray[np.float64],
        values: NDArray[np.float64],
        fold: NDArray[np.int64],
        reference: NDArray[np.float64],
    ) -> Calibration:
        """Fit the line by least squares.

        Args:
            scores: out-of-fold, [n].
            values: [n].
            fold: the member that gave each score, [n].
            reference: all members' scores of a uniform sample of the space, [members, m].
        """
        centres, spread = reference.mean(1), reference.std(1)
        scales = np.where(spread > 0, spread, 1.0)
        scores = (scores - centres[fold]) / scales[fold]
        ranks = NormalScores.of(values)
        targets = ranks.to_scores(values)
        variance = scores.var()
        covariance = ((scores - scores.mean()) * (targets - targets.mean())).mean()
        # A few architectures may by chance tell of no slope, or of a negative one; the ranking
        # stays.
        least = _LEAST_SLOPE * float(targets.std())
        slope = max(float(covariance / variance), least) if variance > 0 else least
        intercept = float(targets.mean() - slope * scores.mean())
        one = float(np.quantile(np.abs(targets - intercept - slope * scores), _WITHIN))
        standard = (reference - centres[:, None]) / scales[:, None]
        apart = slope**2 * float(np.median(_variance_of_mean(standard))) * len(reference)
        noise = float(np.sqrt(max(one**2 - apart, (_LEAST_NOISE * one) ** 2)))
        return cls(
            slope,
            intercept,
            noise,
            tuple(centres.tolist()),
            tuple(scales.tolist()),
            ranks.thinned(_KNOTS),
        )

    def apply(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n], in the unit of the values, of members' scores [members,
        n].
        """
        scores = (scores - np.array(self.centres)[:, None]) / np.array(self.scales)[:, None]
        mean = self.intercept + self.slope * scores.mean(0)
        deviation = np.sqrt(self.noise**2 + self.slope**2 * _variance_of_mean(scores))
        return self.curve.to_values(mean), self.curve.spread(mean, deviation)

    def mean_of(self, scores: Tensor) -> Tensor:
        """The mean of `apply`, as a tensor [n] of members' scores, tensor [members, n]."""
        centres, scales = (scores.new_tensor(each)[:, None] for each in (self.centres, self.scales))
        mean: Tensor = self.intercept + self.slope * ((scores - centres) / scales).mean(0)
        return self.curve.to_values_relaxed(mean)

    def to_dict(self) -> dict[str, Any]:
        """Name -> value, as JSON has them."""
        curve = {"scores": self.curve.scores.tolist(), "values": self.curve.values.tolist()}
        return {**asdict(self), "curve": curve}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Calibration:
        """The calibration of what `to_dict` told; raises TypeError where it is none.

        Files from before the curve have a line to values; for them it is the identity.
        """
        told = found.get("curve", {"scores": [0, 1], "values": [0, 1]})
        curve = {name: np.asarray(values, dtype=np.float64) for name, values in told.items()}
        return cls(**{**found, "curve": NormalScores(**curve)})


def _variance_of_mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variance [n] of the mean of members' scores [members, n]."""
    found: NDArray[np.float64] = scores.var(0) / max(len(scores) - 1, 1)
    return found
