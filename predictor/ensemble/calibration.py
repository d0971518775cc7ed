"""Calibration of an ensemble's scores to values with a deviation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictor.deviations import ValueDeviations
from predictor.ranks import NormalScores

if TYPE_CHECKING:
    from torch import Tensor

# Points of the curve from ranks to values; with all values it would jump between close ones.
_KNOTS = 17
# Deviations of the values' normal scores per deviation of the scores.
_MIN_SLOPE = 0.05
# Fraction of a normal distribution within one deviation.
_WITHIN_DEVIATION = 0.683
# Least noise as a fraction of a single member's deviation, however much members disagree.
_MIN_NOISE = 0.5


@dataclass(frozen=True)
class Calibration:
    """A line from mean score to the normal score of a value's rank, and a curve to the value.

    A ranking loss leaves the origin and the scale of each member's scores undetermined; `centres`
    and `scales` normalise them. The line is fitted on out-of-fold scores, of each architecture by
    the member that was not trained on it, since scores of training architectures are separated too
    well. The deviation from the line is the one that 68% of them keep, so that a few networks that
    fail to train do not widen it for all; the variance among members is subtracted from it and
    returns as the variance of their mean. The curve follows the distribution of the values:
    accuracies crowd below a best one, which a line would overshoot. Deviations of values are those
    of the out-of-fold scores' errors; see `predictor.deviations`.

    Args:
        slope: Normal score per score; positive, so that ranks are preserved.
        intercept: Normal score at score 0.
        noise: Deviation of normal scores from the line that all members share.
        centres: Each member's mean score over a uniform sample of the space, [members].
        scales: Each member's deviation over that sample, [members].
        curve: Map from normal scores to values.
        deviations: Map from deviations of normal scores to those of values. None: the deviation is
            carried through the curve, as in files from before this map.
    """

    slope: float
    intercept: float
    noise: float
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    curve: NormalScores
    deviations: ValueDeviations | None = None

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
            scores: Out-of-fold scores, [n].
            values: Values, [n].
            fold: The member that gave each score, [n].
            reference: All members' scores of a uniform sample of the space, [members, m].
        """
        centres = reference.mean(1)
        spread = reference.std(1)
        scales = np.where(spread > 0, spread, 1.0)
        scores = (scores - centres[fold]) / scales[fold]
        ranks = NormalScores.from_values(values)
        targets = ranks.to_scores(values)

        variance = scores.var()
        covariance = ((scores - scores.mean()) * (targets - targets.mean())).mean()

        # A few architectures may by chance give a slope of 0 or below, which would lose the
        # ranking.
        min_slope = _MIN_SLOPE * float(targets.std())
        slope = max(float(covariance / variance), min_slope) if variance > 0 else min_slope
        intercept = float(targets.mean() - slope * scores.mean())

        errors = np.abs(targets - intercept - slope * scores)
        member_deviation = float(np.quantile(errors, _WITHIN_DEVIATION))
        normalised = (reference - centres[:, None]) / scales[:, None]

        # The median over the sample of the variance among single members.
        disagreement = slope**2 * float(np.median(_variance_of_mean(normalised))) * len(reference)
        min_variance = (_MIN_NOISE * member_deviation) ** 2
        noise = float(np.sqrt(max(member_deviation**2 - disagreement, min_variance)))

        # An out-of-fold score is that of one member, whose deviation is larger than the mean's.
        curve = ranks.thinned(_KNOTS)
        deviation = np.full(len(scores), np.sqrt(noise**2 + disagreement))
        deviations = ValueDeviations.fit(curve, intercept + slope * scores, deviation, values)
        return cls(
            slope,
            intercept,
            noise,
            tuple(centres.tolist()),
            tuple(scales.tolist()),
            curve,
            deviations,
        )

    def apply(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Convert scores to values.

        Args:
            scores: Scores of all members, [members, n].

        Returns:
            Mean [n] and deviation [n], in the unit of the values.
        """
        scores = (scores - np.array(self.centres)[:, None]) / np.array(self.scales)[:, None]
        mean = self.intercept + self.slope * scores.mean(0)
        deviation = np.sqrt(self.noise**2 + self.slope**2 * _variance_of_mean(scores))
        spread = self.curve.spread if self.deviations is None else self.deviations
        return self.curve.to_values(mean), spread(mean, deviation)

    def relaxed_mean(self, scores: Tensor) -> Tensor:
        """Return the mean of `apply` as a tensor [n] of scores, a tensor [members, n]."""
        centres = scores.new_tensor(self.centres)[:, None]
        scales = scores.new_tensor(self.scales)[:, None]
        mean: Tensor = self.intercept + self.slope * ((scores - centres) / scales).mean(0)
        return self.curve.to_values_relaxed(mean)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, as JSON."""
        curve = {"scores": self.curve.scores.tolist(), "values": self.curve.values.tolist()}
        fields = {**asdict(self), "curve": curve}
        if self.deviations is None:
            return fields

        # The curve of the deviations is that of the values.
        deviations = {
            "scale": self.deviations.scale,
            "floor": self.deviations.floor,
            "factors": self.deviations.factors.tolist(),
        }
        return {**fields, "deviations": deviations}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Calibration:
        """Rebuild a calibration from its `to_dict`; raises TypeError for other fields."""
        # Files from before the curve have a line to values; its curve is the identity.
        points = fields.get("curve", {"scores": [0, 1], "values": [0, 1]})
        curve = NormalScores(
            **{name: np.asarray(values, dtype=np.float64) for name, values in points.items()}
        )

        # Files from before these deviations carry a deviation through the curve.
        deviations = fields.get("deviations")
        if deviations is not None:
            factors = np.asarray(deviations["factors"], dtype=np.float64)
            deviations = ValueDeviations(curve, deviations["scale"], deviations["floor"], factors)
        return cls(**{**fields, "curve": curve, "deviations": deviations})


def _variance_of_mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variance [n] of the mean of members' scores [members, n]."""
    variance: NDArray[np.float64] = scores.var(0) / max(len(scores) - 1, 1)
    return variance
