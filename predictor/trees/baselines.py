"""Trees of scikit-learn: the baselines that a predictor must outperform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from predictor.base import Auxiliary, Predictor, require, training_data
from predictor.features.groups import FeatureSet, groups
from predictor.features.values import value_features
from predictor.serialization import write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace


class BaselinePredictor(Predictor):
    """A scikit-learn regressor.

    The file contains the training data, on which the regressor is fitted again when it is loaded.

    Args:
        space: Space of the architectures.
        seed: Seed of the regressor.

    Example:
        >>> import numpy as np
        >>> import predictor
        >>> import spaces
        >>> class Nearest(predictor.BaselinePredictor):
        ...     kind = "nearest"
        ...     def make(self):
        ...         from sklearn.neighbors import KNeighborsRegressor
        ...         return KNeighborsRegressor(3)
        ...     def predict(self, architectures):
        ...         mean = self.model.predict(self.features(self.space.codes(architectures)))
        ...         return mean, np.zeros(len(mean))
        >>> space = spaces.get("spos-tiny")
        >>> codes = space.sample(np.random.default_rng(0), 20)
        >>> model = Nearest(space)
        >>> model.fit(codes, -space.macs(codes))
        >>> model.predict(codes)[0].shape
        (20,)
    """

    kind: ClassVar[str]

    def __init__(self, space: SearchSpace, seed: int = 0):
        super().__init__(space, seed)
        self.model: Any = None
        self.codes: Codes | None = None
        self.values: NDArray[np.float64] | None = None
        # False only for predictors that were fitted before the values were features.
        self.with_values = True

    def make(self) -> Any:
        """Make an unfitted regressor."""
        raise TypeError("choose RandomForest or Boosting")

    def features(self, codes: Codes) -> NDArray[Any]:
        """Return the one-hot codes, and the numbers of values, of codes [n, choices]."""
        one_hot = self.space.one_hot(codes)
        if not self.with_values:
            return one_hot
        return np.concatenate([one_hot, value_features(self.space, codes)], axis=1)

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
    ) -> None:
        """Fit the regressor; `auxiliary` is ignored."""
        self.codes, self.values = training_data(self.space, architectures, values)
        self.model = self.make().fit(self.features(self.codes), self.values)
        self.trained_on = {"architectures": len(self.codes)}
        progress(1.0, "done")

    def save(self, path: str | Path) -> None:
        """Write the training data as one safetensors file, all or nothing; raises NotFitted."""
        import torch

        require(self.codes is not None)
        assert self.codes is not None
        assert self.values is not None
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "with_values": self.with_values,
            "trained_on": dict(self.trained_on),
        }

        # The training data in place of the regressor, whose only format is pickle.
        codes = torch.from_numpy(np.ascontiguousarray(self.codes))
        write(path, config, {"codes": codes, "values": torch.from_numpy(self.values)})

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> BaselinePredictor:
        """Fit a regressor on the training data that `save` wrote."""
        model = cls(space, config["seed"])
        model.with_values = config.get("with_values", False)
        model.fit(space.check(tensors["codes"].numpy()), tensors["values"].numpy())
        model.trained_on = config["trained_on"]
        return model


class RandomForest(BaselinePredictor):
    """A random forest of 200 trees on one-hot codes; the deviation is that among the trees."""

    kind = "forest"

    def make(self) -> Any:
        """Make an unfitted regressor."""
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(200, random_state=self.seed)

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict mean [n] and deviation [n] of the trees; see `Predictor.predict`."""
        require(self.model is not None)
        features = self.features(self.space.codes(architectures))
        predictions = np.stack([tree.predict(features) for tree in self.model.estimators_])
        return predictions.mean(0), predictions.std(0)


class Boosting(BaselinePredictor):
    """Gradient boosting on the features of the Gaussian process.

    The deviation of every architecture is that of the training residuals.
    """

    kind = "boosting"

    def make(self) -> Any:
        """Make an unfitted regressor."""
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(
            n_estimators=300,
            learning_rate=0.05,
            subsample=0.7,
            max_features="sqrt",
            random_state=self.seed,
        )

    def features(self, codes: Codes) -> NDArray[Any]:
        """Return all groups of features of codes [n, choices] as one array [n, features]."""
        feature_groups = groups(self.space, codes, FeatureSet(values=self.with_values))
        # Without architectures there are no groups.
        if not feature_groups:
            return np.zeros((0, self.model.n_features_in_))
        return np.concatenate(list(feature_groups.values()), axis=1)

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict mean [n] and deviation [n] of architectures; see `Predictor.predict`."""
        require(self.model is not None)
        assert self.codes is not None
        codes = self.space.codes(architectures)
        # scikit-learn rejects empty arrays.
        mean = self.model.predict(self.features(codes)) if len(codes) else np.empty(0)
        residuals = self.values - self.model.predict(self.features(self.codes))
        return np.asarray(mean), np.full(len(codes), float(np.std(residuals)))
