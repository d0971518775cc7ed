"""Latencies of networks by the widths of their layers, fitted on whole networks.

Where each layer has dozens of widths on both sides, no table holds the latency of every block.
Instead y = sum of w_f x_f over features of layers that grow with the widths, among them the
products of input and output widths. All w_f are non-negative, so that a wider network is never
estimated to be faster; a ridge shrinks them towards the cost that the layer's counts suggest:

    minimise  sum_i ((X w - y)_i / y_i)^2 + penalty |w / c - m|^2  subject to  w >= 0

where m is 1 for all features and c the latency of the original. The penalty has the smallest error
in cross-validation.

Runtimes compute channels in blocks, and a width between two of their layouts may be slower than
both. Widths rounded up to blocks are therefore further features, and a ridge on the candidates of
the choices corrects the logarithm of the sum (`tables.cost.ridge`). The block, and whether the
correction helps, have the smallest error in cross-validation. Its relative residuals give sigma at
the cost of a limit: errors are proportional to costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.cost.model import CostModel
from tables.cost.ridge import (
    OUTLIER,
    Correction,
    fit_ridge,
    undisturbed_mask,
)
from tables.cost.sums import SearchedSums
from tables.errors import InvalidTable

if TYPE_CHECKING:
    from spaces.elastic.space import ElasticSpace

Array = NDArray[np.float64]

FEWEST_NETWORKS = 12
"""Fewest measured networks that a model is fitted on."""

# Channels that runtimes compute together: with AVX-512 onnxruntime's are 16, with AVX2 8.
_BLOCKS = (1, 8, 16)

_PENALTIES = np.logspace(-6, 0, 13)
_FOLDS = 10


@dataclass(frozen=True)
class SumFit:
    """Fitted coefficients of a sum over features.

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


@dataclass(frozen=True)
class WidthFit:
    """A fitted latency by widths.

    Args:
        block: Number of channels that the runtime computes together.
        sums: Fitted sum over features.
        correction: Correction of its logarithm by the candidates of choices; None: there is none.
        residuals: Cross-validated residuals [n] of the networks, in the unit of the values.
    """

    block: int
    sums: SumFit
    correction: Correction | None
    residuals: Array

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Networks [n] that the machine did not disturb."""
        return self.sums.kept

    def mape(self, values: Array) -> float:
        """Return the mean absolute relative error in cross-validation, of kept networks."""
        return float(np.abs(self.residuals / values)[self.kept].mean())

    def costs(self, space: ElasticSpace, codes: NDArray[Any]) -> Array:
        """Return the costs [n] of codes [n, choices]."""
        features = space.cost_features(codes, self.block)
        # Not matmul: its order of summing, and so the last digit, depends on the number of rows.
        total: Array = (features * self.sums.coefficients).sum(1)
        if self.correction is None:
            return total
        return total * _factors(self.correction, _one_hot(space, codes))


def fit_sums(features: Array, values: Array, seed: int = 0) -> SumFit:
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


def _fit_inliers(features: Array, values: Array, inliers: NDArray[np.bool_], seed: int) -> SumFit:
    folds = _folds(len(values), seed)
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
    return SumFit(coefficients, penalty, residuals[best], inliers)


def _folds(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count) % _FOLDS


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


def fit_widths(space: ElasticSpace, codes: NDArray[Any], values: Array, seed: int = 0) -> WidthFit:
    """Fit the costs of a space of widths, with the block and correction of the smallest error.

    Args:
        space: Space of the networks.
        codes: Codes [n, choices] of measured networks.
        values: Measured costs [n].
        seed: Seed of the folds.
    """
    one_hot = _one_hot(space, codes)
    fits = []
    for block in _BLOCKS:
        features = space.cost_features(codes, block)
        sums = fit_sums(features, values, seed)
        fits.append(WidthFit(block, sums, None, sums.residuals))
        fits.append(_fit_corrected(block, features, one_hot, values, seed))

    # Of all networks, since fits leave out different ones; the first of equal ones is the simplest.
    return min(fits, key=lambda fit: float(np.abs(fit.residuals / values).mean()))


def _fit_corrected(
    block: int, features: Array, one_hot: Array, values: Array, seed: int
) -> WidthFit:
    """Fit a sum and its correction, without networks that are far off from both."""
    everything = np.ones(len(values), dtype=bool)
    first = _fit_inliers(features, values, everything, seed)

    # Whether a network was disturbed shows only once its candidates are corrected for.
    inliers = undisturbed_mask(one_hot, np.log(values / (features @ first.coefficients)))
    sums = _fit_inliers(features, values, inliers, seed)
    estimates = features[inliers] @ sums.coefficients
    correction = fit_ridge(one_hot[inliers], np.log(estimates), np.log(values[inliers]))
    residuals = _corrected_residuals(features, one_hot, values, sums, seed)
    return WidthFit(block, sums, correction, residuals)


def _corrected_residuals(
    features: Array, one_hot: Array, values: Array, sums: SumFit, seed: int
) -> Array:
    """Return cross-validated residuals [n] of a corrected sum; both are fitted without a fold."""
    folds = _folds(len(values), seed)
    residuals = np.empty(len(values))
    for fold in range(_FOLDS):
        train = sums.kept & (folds != fold)
        test = folds == fold
        estimates = features @ _solve(features[train], values[train], sums.penalty)
        correction = fit_ridge(one_hot[train], np.log(estimates[train]), np.log(values[train]))
        residuals[test] = values[test] - estimates[test] * _factors(correction, one_hot[test])
    return residuals


def _one_hot(space: ElasticSpace, codes: NDArray[Any]) -> Array:
    """Return which candidates, other than the original's, networks have, [n, candidates]."""
    columns = [
        codes[:, [column]] == np.arange(1, count) for column, count in enumerate(space.candidates)
    ]
    return np.concatenate(columns, axis=1).astype(float)


def _factors(correction: Correction, one_hot: Array) -> Array:
    """Return the factors [n] of a correction of logarithms."""
    return np.asarray(np.exp(correction.intercept + (one_hot * correction.deltas).sum(1)))


def width_model(
    space: ElasticSpace,
    metric: str,
    codes: NDArray[Any],
    values: Array,
    device: str | None = None,
    level: float | None = None,
) -> tuple[CostModel, WidthFit]:
    """Fit the cost model of a space of widths.

    Args:
        space: Space of the networks.
        metric: Name of the cost, such as `latency_ms`.
        codes: Codes [n, choices] of measured networks.
        values: Measured costs [n], without the machine's drift.
        device: Name of the device.
        level: Cost of the networks that sigma is of, such as a limit, since errors are proportional
            to costs. None: the mean of the values.

    Raises:
        InvalidTable: Fewer than `FEWEST_NETWORKS` networks were measured.
    """
    if len(values) < FEWEST_NETWORKS:
        raise InvalidTable(
            f"a cost model of {space.name} needs at least {FEWEST_NETWORKS} measured networks, not"
            f" {len(values)}"
        )
    fit = fit_widths(space, space.check(codes), values)
    errors = (fit.residuals / values)[fit.kept]
    # The noise of the values stays in: the network that is taken is measured as they were, and a
    # search prefers networks whose latency noise makes look small.
    deviation = float(np.sqrt((errors**2).mean()))
    sigma = deviation * (float(values.mean()) if level is None else level)

    def cost(rows: NDArray[Any]) -> Array:
        return fit.costs(space, rows)

    return CostModel(space, metric, SearchedSums(space, cost), sigma, device), fit
