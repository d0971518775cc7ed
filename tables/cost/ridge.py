"""What whole networks cost beyond the sum of their blocks: a ridge with the table as its prior.

The sum of block times misses what stands between blocks and what neighbours do to each other's
caches. Whole networks of the same build tell: y = block sum + intercept + one delta for each
(choice, candidate), deltas shrunk towards 0. The penalty is chosen, and sigma given, by
leave-one-out residuals in closed form (Allen's PRESS). Samples during which the machine did
something else lie many deviations off; they are left out and counted. What disturbs a network's
turn disturbs the blocks timed in it too, so their excess over the table is divided out first
(`tables.cost.fitting`), as far as the two go together.

A residual holds the model's error and the noise of the one sample it is compared with. What a
search promises is the median of many runs, in which that noise is gone: sigma^2 = residual^2 -
noise^2. The noise is only what the spread of a sample's own runs proves. Disturbances that last for
a whole turn, and the error of the reference network that drift is divided out by, stay in sigma,
which is therefore too large rather than too small. What the residuals leave to chance (their
variance is known to sqrt(2 / n)) is its floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

PENALTIES = np.logspace(-2, 4, 37)

OUTLIER = 4.5
"""Robust deviations (1.4826 x median absolute deviation) beyond which a sample counts as
disturbed.
"""


@dataclass(frozen=True)
class Correction:
    """A fitted correction.

    Args:
        intercept: added to every network, in the unit of the values.
        deltas: ridge: float array [features], added where the feature is present; linear: what each
            part's cost is multiplied by, [parts]; mlp: empty.
        sigma: deviation of a network's median from the estimate: the residual without the noise of
            single samples.
        naive_sigma: root mean square of the leave-one-out residuals of the plain sum with an
            intercept alone.
        penalty: the ridge penalty that was chosen.
        count: networks that it was fitted on.
        outliers: networks that were left out as disturbed.
        residual: root mean square of the leave-one-out (`linear`, `mlp`: 5-fold) residuals.
        kind: `ridge`, `linear` or `mlp`.
        scores: kind -> root mean square of 5-fold residuals, where kinds were compared.
    """

    intercept: float
    deltas: NDArray[np.float64]
    sigma: float
    naive_sigma: float
    penalty: float
    count: int
    outliers: int
    residual: float
    kind: str = "ridge"
    scores: Mapping[str, float] = field(default_factory=dict)


def fit(
    features: NDArray[Any],
    prior: NDArray[Any],
    values: NDArray[Any],
    noise: NDArray[Any] | None = None,
) -> Correction:
    """Fit the correction.

    Args:
        features: [n, features] how often each candidate (or block) occurs in each network.
        prior: [n] sums of block costs.
        values: [n] measured costs of whole networks; n is at least 3.
        noise: [n] deviations of the values themselves, known without the model; default 0.
    """
    rest = np.asarray(values, dtype=float) - prior
    kept = undisturbed(features, rest)
    found = _ridge(features[kept], rest[kept])
    sigma = denoised(found.residual, found.count, noise[kept] if noise is not None else None)
    return replace(found, outliers=int((~kept).sum()), sigma=sigma)


def undisturbed(features: NDArray[Any], rest: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the networks, bool [n], the machine was left alone for; `rest` [n] is what their
    blocks leave open.
    """
    kept = _undisturbed(rest)
    first = _ridge(features[kept], rest[kept])
    # The first fit's residuals are narrower than the raw ones and show what those still hid.
    residuals = rest - first.intercept - features @ first.deltas
    return kept & _undisturbed(residuals)


def slope(given: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """The share, 0 to 1, of a disturbance `given` [n] that `values` [n] have: a control variate's
    coefficient.

    Both are logarithms. Samples beyond `OUTLIER` deviations are left out, and so is a slope of less
    than twice its standard error, which may be chance.
    """
    kept = _undisturbed(values) & _undisturbed(given)
    x, y = given[kept] - given[kept].mean(), values[kept] - values[kept].mean()
    spread = float(x @ x)
    if len(x) < 3 or spread <= 0:
        return 0.0
    found = float(x @ y) / spread
    error = float(np.sqrt(np.sum((y - found * x) ** 2) / (len(x) - 2) / spread))
    return min(found, 1.0) if found > 2 * error else 0.0


def denoised(residual: float, count: int, noise: NDArray[Any] | None) -> float:
    """The model's own deviation: `residual` (root mean square over `count` samples) without their
    `noise` [count].
    """
    if noise is None:
        return residual
    known = residual**2 - float(np.mean(np.square(noise)))
    return float(np.sqrt(max(known, residual**2 * min(1.0, np.sqrt(2 / count)))))


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
        residual=float(np.sqrt(scores[best])),
        naive_sigma=float(np.sqrt((naive**2).mean())),
        penalty=float(PENALTIES[best]),
        count=count,
        outliers=0,
    )
