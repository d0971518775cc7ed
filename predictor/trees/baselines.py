"""Trees of scikit-learn: what a predictor has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from predictor.base import Auxiliary, Predictor, require, training_data
from predictor.features.groups import groups
from predictor.serialization import write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace


class BaselinePredictor(Predictor):
    """A scikit-learn regressor; its file holds the training data, on which it is fitted again when
    loaded.
    """

    kind: ClassVar[str]

    def __init__(self, space: SearchSpace, seed: int = 0):
        super().__init__(space, seed)
        self.model: Any = None
        self.codes: Codes | None = None
        self.values: NDArray[np.float64] | None = None

    def make(self) -> Any:
        """A fresh regressor."""
        raise TypeError("choose RandomForest or Boosting")

    def features(self, codes: Codes) -> NDArray[Any]:
        """What the regressor sees of `codes` [n, choices]: [n, features]."""
        return self.space.one_hot(codes)

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
    ) -> None:
        """Fit the regressor; `auxiliary` is not used."""
        self.codes, self.values = training_data(self.space, architectures, values)
        self.model = self.make().fit(self.features(self.codes), self.values)
        self.trained_on = {"architectures": len(self.codes)}
        progress(1.0, "done")

    def save(self, path: str | Path) -> None:
        """Write the training data as one safetensors file, all or nothing."""
        import torch

        require(self.codes is not None)
        assert self.codes is not None
        assert self.values is not None
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "trained_on": dict(self.trained_on),
        }
        codes = torch.from_numpy(np.ascontiguousarray(self.codes))
        write(path, config, {"codes": codes, "values": torch.from_numpy(self.values)})

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> BaselinePredictor:
        """Fit again on what `save` wrote."""
        found = cls(space, config["seed"])
        found.fit(space.check(tensors["codes"].numpy()), tensors["values"].numpy())
        found.trained_on = config["trained_on"]
        return found


class RandomForest(BaselinePredictor):
    """A random forest of 200 trees on one-hot codes; the deviation is that among the trees."""

    kind = "forest"

    def make(self) -> Any:
        """A fresh regressor."""
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(200, random_state=self.seed)

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of the trees."""
        require(self.model is not None)
        features = self.features(self.space.codes(architectures))
        trees = np.stack([tree.predict(features) for tree in self.model.estimators_])
        return trees.mean(0), trees.std(0)


class Boosting(BaselinePredictor):
    """Gradient boosting on the features of the Gaussian process; the deviation is that of the
    training residuals.
    """

    kind = "boosting"

    def make(self) -> Any:
        """A fresh regressor."""
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(
            n_estimators=300,
            learning_rate=0.05,
            subsample=0.7,
            max_features="sqrt",
            random_state=self.seed,
        )

    def features(self, codes: Codes) -> NDArray[Any]:
        """All groups of features side by side."""
        found = groups(self.space, codes)
        return (
            np.concatenate(list(found.values()), axis=1)
            if found
            else np.zeros((0, self.model.n_features_in_))
        )

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n], one for all."""
        require(self.model is not None)
        assert self.codes is not None
        codes = self.space.codes(architectures)
        mean = self.model.predict(self.features(codes)) if len(codes) else np.empty(0)
        residual = float(np.std(self.values - self.model.predict(self.features(self.codes))))
        return np.asarray(mean), np.full(len(codes), residual)
