"""Latencies of networks by the widths of their layers, fitted on whole networks.

Where each layer has dozens of widths on both sides, no table holds the latency of every block.
Instead y = sum of w_f x_f over features of layers that grow with the widths, among them the
products of input and output widths. All w_f are non-negative, so that a wider network is never
estimated to be faster; a ridge shrinks them towards the cost that the layer's counts suggest:

    minimise  sum_i ((X w - y)_i / y_i)^2 + penalty |w / c - m|^2  subject to  w >= 0

where m is 1 for all features and c the latency of the original. The penalty has the smallest error
in cross-validation, whose residuals give sigma as for lookup tables (`tables.cost.ridge`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.cost.model import CostModel
from tables.cost.ridge import OUTLIER, remove_noise
from tables.cost.sums import SearchedSums
from tables.errors import InvalidTable

if TYPE_CHECKING:
    from spaces.elastic.space import ElasticSpace

Array = NDArray[np.float64]

FEWEST_NETWORKS = 12
"""Fewest measured networks that a model is fitted on."""

_PENALTIES = np.logspace(-6, 0, 13)
_FOLDS = 10


@dataclass(frozen=True)
class WidthFit:
    """Fitted coefficients.

    Args:
        coefficients: Cost [features] of each feature, non-negative.
        penalty: Selected ridge penalty.
        residuals: Cross-validated residuals [n] of the networks, in the unit of the values.
        kept: Networks [n] that the machine did not disturb.
    """

    coefficients: Array
    penalty: float
    residuals: Array
    kept: NDArray[np.bool_]

    def mape(self, values: Array) -> float:
        """Return the mean absolute relative error in cross-validation, of kept networks."""
        return float(np.abs(self.residuals / values)[self.kept].mean())


class MonotoneSums(SearchedSums):
    """Costs by any function that never falls with the widths.

    Args:
        space: Space of the architectures.
        cost: Function of codes [n, choices] that returns costs [n].
    """

    space: ElasticSpace

    def bounds(self) -> tuple[tuple[float, Any], tuple[float, Any]]:
        """Return the costs of the smallest network and of the original, with their codes."""
        codes = self.space.encode([self.space.smallest, self.space.original])
        least, greatest = self(codes)
        return (float(least), codes[0]), (float(greatest), codes[1])


def fit_widths(features: Array, values: Array, seed: int = 0) -> WidthFit:
    """Fit non-negative costs of features.

    Args:
        features: Features [n, features] of measured networks, scaled so that the sum of a row is
            about the network's cost as a fraction of the original's.
        values: Measured costs [n].
        seed: Seed of the folds.
    """
    everything = np.ones(len(values), dtype=bool)
    fit = _fit_inliers(features, values, everything, seed)

    # A sample that the machine disturbed lies many deviations off.
    errors = fit.residuals / values
    deviation = 1.4826 * np.median(np.abs(errors - np.median(errors)))
    inliers = np.abs(errors - np.median(errors)) <= OUTLIER * max(float(deviation), 1e-9)
    return fit if inliers.all() else _fit_inliers(features, values, inliers, seed)


def _fit_inliers(features: Array, values: Array, inliers: NDArray[np.bool_], seed: int) -> WidthFit:
    folds = np.random.default_rng(seed).permutation(len(values)) % _FOLDS
    residuals = np.empty((len(_PENALTIES), len(values)))
    for index, penalty in enumerate(_PENALTIES):
        for fold in range(_FOLDS):
            train = inliers & (folds != fold)
            coefficients = _solve(features[train], values[train], float(penalty))
            test = folds == fold
            residuals[index, test] = values[test] - features[test] @ coefficients

    errors = ((residuals / values)[:, inliers] ** 2).mean(1)
    best = int(errors.argmin())
    penalty = float(_PENALTIES[best])
    coefficients = _solve(features[inliers], values[inliers], penalty)
    return WidthFit(coefficients, penalty, residuals[best], inliers)


def _solve(features: Array, values: Array, penalty: float) -> Array:
    """Return the non-negative coefficients [features] of the penalised least squares."""
    from scipy.optimize import nnls

    scale = float(np.median(values / features.sum(1)))
    relative = features * scale / values[:, None]
    ridge = np.sqrt(penalty * len(values)) * np.eye(features.shape[1])
    matrix = np.concatenate([relative, ridge])
    target = np.concatenate([np.ones(len(values)), ridge.sum(1)])
    solution, _ = nnls(matrix, target)
    return np.asarray(scale * solution)


def width_model(
    space: ElasticSpace,
    metric: str,
    codes: NDArray[Any],
    values: Array,
    noise: Array | None = None,
    device: str | None = None,
) -> tuple[CostModel, WidthFit]:
    """Fit the cost model of a space of widths.

    Args:
        space: Space of the networks.
        metric: Name of the cost, such as `latency_ms`.
        codes: Codes [n, choices] of measured networks.
        values: Measured costs [n], without the machine's drift.
        noise: Deviations [n] of the values themselves. None: unknown.
        device: Name of the device.

    Raises:
        InvalidTable: Fewer than `FEWEST_NETWORKS` networks were measured.
    """
    if len(values) < FEWEST_NETWORKS:
        raise InvalidTable(
            f"a cost model of {space.name} needs at least {FEWEST_NETWORKS} measured networks, not"
            f" {len(values)}"
        )
    fit = fit_widths(space.cost_features(space.check(codes)), values)
    residuals = fit.residuals[fit.kept]
    residual = float(np.sqrt((residuals**2).mean()))
    sigma = remove_noise(residual, len(residuals), None if noise is None else noise[fit.kept])

    def cost(rows: NDArray[Any]) -> Array:
        # Not matmul: its order of summing, and so the last digit, depends on the number of rows.
        total: Array = (space.cost_features(rows) * fit.coefficients).sum(1)
        return total

    return CostModel(space, metric, MonotoneSums(space, cost), sigma, device), fit
