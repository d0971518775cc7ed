"""Corrections of block sums by a ridge regression whose prior is the lookup table.

The sum of block latencies misses the work between blocks and the effect of neighbours on each
other's caches. Whole networks of the same build show both: y = block sum + intercept + one delta
for each (choice, candidate), with the deltas shrunk towards 0. The penalty is selected, and sigma
estimated, by leave-one-out residuals in closed form (Allen's PRESS). Samples that the machine
disturbed lie many deviations off, also from the prediction of a fit without them; they are left out
and counted. A disturbance of a network's run also affects the blocks timed within it, so their
excess over the table is divided out first (`tables.cost.corrected`), as far as the two correlate.

A residual contains the model's error and the noise of the sample that it is compared with. A search
promises the median of many runs, which is free of that noise: sigma^2 = residual^2 - noise^2. The
noise is only as large as the spread of a sample's own runs proves. Disturbances that last for a
whole visit to a network, and the error of the reference network that drift is divided out by, stay
in sigma, which is therefore too large rather than too small. Its floor is the uncertainty of the
residuals' variance, sqrt(2 / n).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PENALTIES = np.logspace(-2, 4, 37)
"""Ridge penalties among which the best is selected."""

OUTLIER = 4.5
"""Robust deviations (1.4826 x median absolute deviation) beyond which a sample is disturbed."""


@dataclass(frozen=True)
class Correction:
    """A fitted correction.

    Args:
        intercept: Cost added to every network, in the unit of the values.
        deltas: For a ridge, float array [features], added where the feature is present. For a
            linear correction, the factor [blocks] of each block's cost. Empty for a perceptron.
        sigma: Deviation of a network's median from the estimate: the residual without the noise of
            single samples.
        naive_sigma: Root mean square of the leave-one-out residuals of the plain sum with an
            intercept alone.
        penalty: The selected ridge penalty.
        count: Number of networks that the correction was fitted on.
        outliers: Number of networks that were left out as disturbed.
        residual: Root mean square of the leave-one-out residuals (5-fold for
            others than `ridge`).
        kind: `ridge`, `linear`, `mlp` or `lstm`.
        scores: Kind -> root mean square of its 5-fold residuals, where kinds were compared.
    """

    intercept: float
    deltas: Array
    sigma: float
    naive_sigma: float
    penalty: float
    count: int
    outliers: int
    residual: float
    kind: str = "ridge"
    scores: Mapping[str, float] = field(default_factory=dict)


def fit_ridge(
    features: NDArray[Any],
    prior: NDArray[Any],
    values: NDArray[Any],
    noise: NDArray[Any] | None = None,
) -> Correction:
    """Fit a ridge correction.

    Args:
        features: Array [n, features]: how often each candidate (or block) occurs in each network.
        prior: Sums [n] of block costs.
        values: Measured costs [n] of whole networks; n is at least 3.
        noise: Known deviations [n] of the values themselves. None: 0.
    """
    residuals = np.asarray(values, dtype=float) - prior
    return fit_undisturbed(features, residuals, undisturbed_mask(features, residuals), noise)


def fit_undisturbed(
    features: NDArray[Any],
    residuals: Array,
    mask: NDArray[np.bool_],
    noise: NDArray[Any] | None = None,
) -> Correction:
    """Fit a ridge correction on the networks that were not disturbed.

    Args:
        features: Features [n, features] of all networks.
        residuals: Measured costs [n] minus block sums.
        mask: Networks [n] of the fit, as `undisturbed_mask` returns them.
        noise: Known deviations [n] of the values themselves. None: 0.
    """
    correction = _ridge(features[mask], residuals[mask])

    # A search promises the median of many runs, which the noise of single samples is not in.
    sample_noise = None if noise is None else noise[mask]
    sigma = remove_noise(correction.residual, correction.count, sample_noise)
    return replace(correction, outliers=int((~mask).sum()), sigma=sigma)


def undisturbed_mask(features: NDArray[Any], residuals: Array) -> NDArray[np.bool_]:
    """Return which networks [n] were measured without disturbance of the machine.

    Networks far off from the others are set aside, and readmitted where a fit on the others
    predicts them.

    Args:
        features: Features [n, features] of the networks.
        residuals: Measured costs [n] minus block sums.
    """
    mask = _within_outlier(residuals)
    first_fit = _ridge(features[mask], residuals[mask])
    # The first fit's residuals are narrower than the raw ones and show outliers that those hid.
    remaining = residuals - first_fit.intercept - features @ first_fit.deltas
    mask &= _within_outlier(remaining)

    while not mask.all():
        readmitted = ~mask & _is_predicted(features, residuals, mask)
        if not readmitted.any():
            break
        mask |= readmitted
    return mask


def _is_predicted(
    features: NDArray[Any], residuals: Array, mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which networks [n] agree with a fit on those of the mask.

    A fit with nearly as many parameters as networks follows most of them closely, so that an
    undisturbed network which it follows less looks like an outlier. Errors of prediction, of
    networks that the fit has not seen, are comparable at any number of parameters.

    Args:
        features: Features [n, features] of the networks.
        residuals: Measured costs [n] minus block sums.
        mask: Networks [n] of the fit; at least 2.
    """
    fit = _ridge(features[mask], residuals[mask])
    count = int(mask.sum())
    errors = residuals - fit.intercept - features @ fit.deltas

    # A ridge is the posterior mean where deltas have the prior variance s^2 / penalty, and then
    # s^2 = y' (y - fitted) / (n - 1). An unseen network has the variance s^2 (1 + leverage).
    centred = residuals[mask] - residuals[mask].mean()
    variance = max(float(centred @ errors[mask]), 0.0) / (count - 1)
    features_centred = features - features[mask].mean(0)
    gram = features_centred[mask].T @ features_centred[mask]
    gram += fit.penalty * np.eye(gram.shape[0])
    solved = np.linalg.solve(gram, features_centred.T).T
    leverage = 1 / count + (features_centred * solved).sum(1)

    # The penalty that is best for these networks may be too weak; their leave-one-out errors show.
    deviation = np.maximum(np.sqrt(variance * (1 + leverage)), fit.residual)
    is_predicted: NDArray[np.bool_] = np.abs(errors) <= _student(OUTLIER, count - 1) * deviation
    return is_predicted


def _student(normal: float, degrees: int) -> float:
    """Return the quantile of Student's t that is as improbable as a normal one.

    It is the inverse of Wallace's approximation (Annals of Mathematical Statistics 30, 1959).
    """
    corrected = normal * (8 * degrees + 3) / (8 * degrees + 1)
    return float(np.sqrt(degrees * np.expm1(corrected**2 / degrees)))


def disturbance_slope(disturbance: Array, values: Array) -> float:
    """Return the fraction, 0 to 1, of a disturbance that values have in common.

    It is the coefficient of a control variate: the regression slope of the values on the
    disturbance. Samples beyond `OUTLIER` deviations are left out. A slope of less than twice its
    standard error may be chance and counts as 0.

    Args:
        disturbance: Logarithms [n].
        values: Logarithms [n].
    """
    mask = _within_outlier(values) & _within_outlier(disturbance)

    x = disturbance[mask] - disturbance[mask].mean()
    y = values[mask] - values[mask].mean()

    spread = float(x @ x)
    if len(x) < 3 or spread <= 0:
        return 0.0

    slope = float(x @ y) / spread
    error = float(np.sqrt(np.sum((y - slope * x) ** 2) / (len(x) - 2) / spread))
    return min(slope, 1.0) if slope > 2 * error else 0.0


def remove_noise(residual: float, count: int, noise: NDArray[Any] | None) -> float:
    """Return the model's own deviation, without the noise of the samples.

    Args:
        residual: Root mean square of the residuals of `count` samples.
        count: Number of samples.
        noise: Deviations [count] of the samples. None returns the residual.
    """
    if noise is None:
        return residual

    variance = residual**2 - float(np.mean(np.square(noise)))
    # The variance of n residuals is known to a relative error of sqrt(2 / n) only.
    floor = residual**2 * min(1.0, np.sqrt(2 / count))
    return float(np.sqrt(max(variance, floor)))


def _within_outlier(residuals: Array) -> NDArray[np.bool_]:
    centre = np.median(residuals)
    # 1.4826 x the median absolute deviation is the deviation of a normal distribution.
    deviation = 1.4826 * np.median(np.abs(residuals - centre))
    mask: NDArray[np.bool_] = np.abs(residuals - centre) <= OUTLIER * max(deviation, 1e-12)
    return mask


def _ridge(features: NDArray[Any], residuals: Array) -> Correction:
    """Fit a ridge with the penalty of the smallest leave-one-out error."""
    count = len(residuals)

    # Centred, so that the intercept is not shrunk.
    mean = residuals.mean()
    centre = features.mean(0)
    left_vectors, scale, right_vectors = np.linalg.svd(features - centre, full_matrices=False)
    projected = left_vectors.T @ (residuals - mean)

    # shrinkage [penalties, components]: the fraction of each component that the ridge retains.
    shrinkage = scale**2 / (scale**2 + PENALTIES[:, None])

    fitted = (shrinkage * projected) @ left_vectors.T
    leverage = 1 / count + shrinkage @ (left_vectors**2).T
    # PRESS: a leave-one-out residual is the residual over 1 - leverage, without refitting.
    press = ((residuals - mean - fitted) / np.maximum(1 - leverage, 1e-9)) ** 2

    scores = press.mean(1)
    best = int(scores.argmin())

    deltas = right_vectors.T @ (scale / (scale**2 + PENALTIES[best]) * projected)

    # A leave-one-out residual from the mean is n / (n - 1) times the plain one.
    naive = (residuals - mean) / (1 - 1 / count)

    return Correction(
        intercept=float(mean - centre @ deltas),
        deltas=deltas,
        sigma=float(np.sqrt(scores[best])),
        residual=float(np.sqrt(scores[best])),
        naive_sigma=float(np.sqrt((naive**2).mean())),
        penalty=float(PENALTIES[best]),
        count=count,
        outliers=0,
    )
