"""BoostedTrees: gradient boosting fitted by scikit-learn, kept as arrays that need nothing but
numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DEPTH = 3
_TREES, _RATE, _SHARE = 300, 0.05, 0.7
_CHUNK = 2048


@dataclass(frozen=True)
class BoostedTrees:
    """A sum of trees of depth 3, each laid out in full: the children of the inner node i are 2i + 1
    and 2i + 2.

    Friedman, "Stochastic Gradient Boosting", 2002: every tree is grown on a part of the rows, and
    looks at each split at the square root of the features.

    Args:
        features: which column an inner node looks at, int array [trees, 7].
        thresholds: above which a row goes right, float array [trees, 7].
        leaves: what the trees add, float array [trees, 8].
        base: the prediction without trees.
    """

    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    leaves: NDArray[np.float64]
    base: float

    @classmethod
    def fit(cls, inputs: NDArray[Any], targets: NDArray[np.float64], seed: int) -> BoostedTrees:
        """Grow the trees on inputs [n, features] and targets [n]."""
        from sklearn.ensemble import GradientBoostingRegressor

        model = GradientBoostingRegressor(
            n_estimators=_TREES,
            learning_rate=_RATE,
            max_depth=_DEPTH,
            subsample=_SHARE,
            max_features="sqrt",
            random_state=seed,
        ).fit(inputs, targets)
        inner, outer = 2**_DEPTH - 1, 2**_DEPTH
        features, thresholds = (
            np.zeros((_TREES, inner), dtype=np.int64),
            np.full((_TREES, inner), np.inf),
        )
        leaves = np.zeros((_TREES, outer))
        for index, regressor in enumerate(model.estimators_[:, 0]):
            grown = regressor.tree_
            places = {0: 0}  # a node of the full layout -> the grown tree's
            for place in range(inner):
                node = places[place]
                leaf = grown.children_left[node] < 0
                if not leaf:
                    features[index, place], thresholds[index, place] = (
                        grown.feature[node],
                        grown.threshold[node],
                    )
                # All rows go left from a leaf that stands further up, to itself.
                places[2 * place + 1] = node if leaf else grown.children_left[node]
                places[2 * place + 2] = node if leaf else grown.children_right[node]
            leaves[index] = [
                _RATE * grown.value[places[inner + leaf], 0, 0] for leaf in range(outer)
            ]
        return cls(features, thresholds, leaves, float(model.init_.constant_[0, 0]))

    def __call__(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """The predictions [n] of inputs [n, features]."""
        found = np.full(len(inputs), self.base)
        trees = np.arange(len(self.leaves))
        for start in range(0, len(inputs), _CHUNK):
            part = np.asarray(inputs[start : start + _CHUNK], dtype=np.float32)
            rows, place = (
                np.arange(len(part))[:, None],
                np.zeros((len(part), len(trees)), dtype=np.int64),
            )
            for _ in range(_DEPTH):
                right = part[rows, self.features[trees, place]] > self.thresholds[trees, place]
                place = 2 * place + 1 + right
            found[start : start + _CHUNK] += self.leaves[trees, place - self.features.shape[1]].sum(
                1
            )
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `of` takes, by name."""
        parts = {"features": self.features, "thresholds": self.thresholds, "leaves": self.leaves}
        return {**parts, "base": np.array(self.base)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> BoostedTrees:
        """The trees of what `arrays` gave."""
        return cls(
            arrays["features"], arrays["thresholds"], arrays["leaves"], float(arrays["base"])
        )
