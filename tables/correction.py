"""What whole networks cost beyond the sum of their blocks: a ridge with the table as its prior.

The sum of block times misses what stands between blocks and what neighbours do to each other's caches. Whole
networks of the same build tell: y = block sum + intercept + one delta for each (choice, candidate), deltas shrunk
towards 0. The penalty is chosen, and sigma given, by leave-one-out residuals in closed form (Allen's PRESS).
Samples during which the machine did something else lie many deviations off; they are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

PENALTIES = np.logspace(-2, 4, 37)

OUTLIER = 4.5
"""Robust deviations (1.4826 x median absolute deviation) beyond which a sample counts as disturbed."""


@dataclass(frozen=True)
class Correction:
    """A fitted correction.

    Args:
        intercept: added to every network, in the unit of the values.
        deltas: float array [features], added where the feature is present.
        sigma: root mean square of the leave-one-out residuals.
        naive_sigma: the same of the plain sum with an intercept alone.
        penalty: the ridge penalty that was chosen.
        count: networks that it was fitted on.
        outliers: networks that were left out as disturbed.
    """

    intercept: float
    deltas: NDArray[np.float64]
    sigma: float
    naive_sigma: float
    penalty: float
    count: int
    outliers: int


def fit(features: NDArray[Any], prior: NDArray[Any], values: NDArray[Any]) -> Correction:
    """Fit the correction.

    Args:
        features: [n, features] how often each candidate (or block) occurs in each network.
        prior: [n] sums of block costs.
        values: [n] measured costs of whole networks; n is at least 3.
    """
    rest = np.asarray(values, dtype=float) - prior
    kept = _undisturbed(rest)
    first = _ridge(features[kept], rest[kept])
    # The first fit's residuals are narrower than the raw ones and show what those still hid.
    residuals = rest - first.intercept - features @ first.deltas
    kept &= _undisturbed(residuals)
    return replace(_ridge(features[kept], rest[kept]), outliers=int((~kept).sum()))


def _undisturbed(residuals: NDArray[np.float64]) -> NDArray[np.bool_]:
    centre = np.median(residuals)
    deviation = 1.4826 * np.median(np.abs(residuals - centre))
    kept: NDArray[np.bool_] = np.abs(residuals - centre) <= OUTLIER * max(deviation, 1e-12)
    return kept


def _ridge(features: NDArray[Any], rest: NDArray[np.float64]) -> Correction:
    count = len(rest)
    mean, centre = rest.mean(), features.mean(0)
    left, scale, right = np.linalg.svd(features - centre, full_matrices=False)
    projected = left.T @ (rest - mean)
    # shrink [penalties, components]: how much of each component the ridge keeps.
    shrink = scale**2 / (scale**2 + PENALTIES[:, None])
    fitted = (shrink * projected) @ left.T
    leverage = 1 / count + shrink @ (left**2).T
    press = ((rest - mean - fitted) / np.maximum(1 - leverage, 1e-9)) ** 2
    scores = press.mean(1)
    best = int(scores.argmin())
    deltas = right.T @ (scale / (scale**2 + PENALTIES[best]) * projected)
    naive = (rest - mean) / (1 - 1 / count)
    return Correction(
        intercept=float(mean - centre @ deltas),
        deltas=deltas,
        sigma=float(np.sqrt(scores[best])),
        naive_sigma=float(np.sqrt((naive**2).mean())),
        penalty=float(PENALTIES[best]),
        count=count,
        outliers=0,
    )
