"""Gradient boosting fitted by scikit-learn, stored as arrays that need only numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DEPTH = 3
_TREES = 300
_LEARNING_RATE = 0.05
# Fraction of the rows that each tree is grown on.
_SUBSAMPLE = 0.7
# Rows predicted at once.
_CHUNK = 2048


@dataclass(frozen=True)
class BoostedTrees:
    """A sum of complete trees of depth 3: the children of inner node i are 2i + 1 and 2i + 2.

    Friedman, "Stochastic Gradient Boosting", 2002: every tree is grown on a sample of the rows, and
    each split considers the square root of the number of features.

    Args:
        features: Column that an inner node compares, int array [trees, 7].
        thresholds: Value above which a row goes right, float array [trees, 7].
        leaves: Terms of the sum, float array [trees, 8].
        base: Prediction without trees.
    """

    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    leaves: NDArray[np.float64]
    base: float

    @classmethod
    def fit(cls, inputs: NDArray[Any], targets: NDArray[np.float64], seed: int) -> BoostedTrees:
        """Grow the trees.

        Args:
            inputs: Features, [n, features].
            targets: Targets, [n].
            seed: Seed of the samples of rows and features.
        """
        from sklearn.ensemble import GradientBoostingRegressor

        model = GradientBoostingRegressor(
            n_estimators=_TREES,
            learning_rate=_LEARNING_RATE,
            max_depth=_DEPTH,
            subsample=_SUBSAMPLE,
            max_features="sqrt",
            random_state=seed,
        ).fit(inputs, targets)

        # Complete trees of equal depth, so that all are evaluated by the same array operations.
        num_inner = 2**_DEPTH - 1
        num_leaves = 2**_DEPTH
        features = np.zeros((_TREES, num_inner), dtype=np.int64)
        thresholds = np.full((_TREES, num_inner), np.inf)
        leaves = np.zeros((_TREES, num_leaves))
        for index, regressor in enumerate(model.estimators_[:, 0]):
            tree = regressor.tree_
            # Index in the complete tree -> node of scikit-learn's tree.
            nodes = {0: 0}
            for inner in range(num_inner):
                node = nodes[inner]
                is_leaf = tree.children_left[node] < 0
                if not is_leaf:
                    features[index, inner] = tree.feature[node]
                    thresholds[index, inner] = tree.threshold[node]
                # A leaf above the last level is repeated below itself; all rows go left there.
                nodes[2 * inner + 1] = node if is_leaf else tree.children_left[node]
                nodes[2 * inner + 2] = node if is_leaf else tree.children_right[node]

            leaves[index] = [
                _LEARNING_RATE * tree.value[nodes[num_inner + leaf], 0, 0]
                for leaf in range(num_leaves)
            ]

        return cls(features, thresholds, leaves, float(model.init_.constant_[0, 0]))

    def __call__(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the predictions [n] of inputs [n, features]."""
        predictions = np.full(len(inputs), self.base)
        trees = np.arange(len(self.leaves))
        for start in range(0, len(inputs), _CHUNK):
            # scikit-learn compares in single precision as well.
            chunk = np.asarray(inputs[start : start + _CHUNK], dtype=np.float32)
            rows = np.arange(len(chunk))[:, None]
            node = np.zeros((len(chunk), len(trees)), dtype=np.int64)
            for _ in range(_DEPTH):
                goes_right = chunk[rows, self.features[trees, node]] > self.thresholds[trees, node]
                node = 2 * node + 1 + goes_right

            terms = self.leaves[trees, node - self.features.shape[1]]
            predictions[start : start + _CHUNK] += terms.sum(1)

        return predictions

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` takes, by name."""
        return {
            "features": self.features,
            "thresholds": self.thresholds,
            "leaves": self.leaves,
            "base": np.array(self.base),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> BoostedTrees:
        """Rebuild the trees from the arrays that `arrays` returned."""
        return cls(
            arrays["features"], arrays["thresholds"], arrays["leaves"], float(arrays["base"])
        )
