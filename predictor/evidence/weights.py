"""Weights of columns of evidence, learned from few labels and shrunk towards equal ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Strengths of the shrinkage as numbers of labels that say nothing against equal weights.
_STRENGTHS = (np.inf, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
_MOST_FOLDS = 20


@dataclass(frozen=True)
class EvidenceWeights:
    """A linear map from columns to labels.

    With the prior p of the columns and a common scale s, the weights are p (s + d). The differences
    d are shrunk to 0 by ridge regression, so that without labels that say otherwise every group of
    columns has its prior weight. Signs follow from the labels.

    Args:
        prior: Prior weight of each column, [columns].
        offsets: Mean of each column over the labelled architectures, [columns].
        intercept: Mean of the labels.
        weights: Weight of each column, [columns].
        inverse: Covariance of the weights for labels with the variance 1, [columns, columns].
        noise: Variance of a label around the map, by cross-validation.
        strength: Strength of the shrinkage that was selected.
        count: Number of labels.
    """

    prior: Array
    offsets: Array
    intercept: float
    weights: Array
    inverse: Array
    noise: float
    strength: float
    count: int

    @classmethod
    def fit(cls, features: Array, labels: Array, prior: Array) -> Self:
        """Learn the weights; the strength of the shrinkage is selected by cross-validation.

        Of the strengths whose error is within one standard error of the least, the greatest is
        taken, since with few labels the least error is often chance (Breiman et al., 1984).

        Args:
            features: Columns of the labelled architectures, [n, columns].
            labels: Labels, [n].
            prior: Prior weight of each column, [columns].
        """
        errors = np.stack(
            [_squared_errors(features, labels, prior, strength) for strength in _STRENGTHS]
        )
        means = errors.mean(1)
        best = int(means.argmin())
        standard_error = errors[best].std() / np.sqrt(len(labels))
        selected = int(np.flatnonzero(means <= means[best] + standard_error)[0])
        strength = _STRENGTHS[selected]
        offsets, intercept, weights, inverse = _solve(features, labels, prior, strength)
        noise = float(means[selected])
        return cls(prior, offsets, intercept, weights, inverse, noise, strength, len(labels))

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Return the map's mean [n] and the variance [n] of the map itself, without noise.

        The variance of a label around the mean is `noise` more.

        Args:
            features: Columns of the architectures, [n, columns].
        """
        centred = features - self.offsets
        mean = self.intercept + centred @ self.weights
        # Evidence that disagrees in a way that no label showed is far from the labelled ones.
        spread = ((centred @ self.inverse) * centred).sum(1)
        return mean, self.noise * (1 / self.count + spread)


def _solve(
    features: Array, labels: Array, prior: Array, strength: float
) -> tuple[Array, float, Array, Array]:
    """Return offsets, intercept, weights and their covariance for labels of variance 1."""
    offsets = features.mean(0)
    intercept = float(labels.mean())
    scaled = (features - offsets) * prior
    residuals = labels - intercept

    # The common scale; evidence that contradicts the labels as a whole has none.
    total = scaled.sum(1)
    square = float(total @ total)
    scale = max(0.0, float(total @ residuals) / square) if square > 0 else 0.0

    columns = len(prior)
    of_scale = np.outer(prior, prior) / square if square > 0 else np.zeros((columns, columns))
    if np.isinf(strength) or not columns or square == 0:
        return offsets, intercept, scale * prior, of_scale

    products = scaled.T @ scaled
    penalty = strength * max(float(np.trace(products)) / (columns * len(labels)), 1e-12)
    covariance = np.linalg.inv(products + penalty * np.eye(columns))
    differences = covariance @ (scaled.T @ (residuals - scale * total))
    weights = prior * (scale + differences)
    return offsets, intercept, weights, prior[:, None] * covariance * prior + of_scale


def _squared_errors(features: Array, labels: Array, prior: Array, strength: float) -> Array:
    """Return the squared error of each label, predicted from the others."""
    errors = np.empty(len(labels))
    for rows in folds(len(labels), _MOST_FOLDS):
        others = np.setdiff1d(np.arange(len(labels)), rows)
        offsets, intercept, weights, _ = _solve(features[others], labels[others], prior, strength)
        predicted = intercept + (features[rows] - offsets) @ weights
        errors[rows] = (labels[rows] - predicted) ** 2
    return errors


def folds(count: int, most: int) -> list[NDArray[np.int64]]:
    """Return the rows of each fold of a cross-validation, of equal sizes but for one.

    Args:
        count: Number of rows.
        most: Greatest number of folds; with fewer rows each is a fold.
    """
    order = np.random.default_rng(0).permutation(count)
    return [np.sort(rows) for rows in np.array_split(order, min(count, most))]
