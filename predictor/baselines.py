"""Baselines of scikit-learn on one-hot codes: what a learned graph predictor has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from predictor.base import Predictor, Progress, require, training_data
from predictor.file import write
from spaces.space import Architectures, Codes, SearchSpace


class BaselinePredictor(Predictor):
    """A scikit-learn regressor; its file holds the training data, on which it is fitted again when loaded."""

    kind: ClassVar[str]

    def __init__(self, space: SearchSpace, seed: int = 0):
        super().__init__(space, seed)
        self.model: Any = None
        self.codes: Codes | None = None
        self.values: NDArray[np.float64] | None = None

    def make(self) -> Any:
        """A fresh regressor."""
        raise TypeError("choose GaussianProcess or RandomForest")

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Mapping[str, NDArray[np.floating[Any]]] | None = None,
        progress: Progress = lambda share, text: None,
    ) -> None:
        """Fit the regressor; `auxiliary` is not used."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning

        self.codes, self.values = training_data(self.space, architectures, values)
        with warnings.catch_warnings():
            # Hyper-parameters at the edge of their range are no fault of the data.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model = self.make().fit(self.space.one_hot(self.codes), self.values)
        self.trained_on = {"architectures": len(self.codes)}
        progress(1.0, "done")

    def save(self, path: str | Path) -> None:
        """Write the training data as one safetensors file, all or nothing."""
        import torch

        require(self.codes is not None)
        assert self.codes is not None
        assert self.values is not None
        config = {"kind": self.kind, "space": self.space.name, "seed": self.seed, "trained_on": dict(self.trained_on)}
        codes = torch.from_numpy(np.ascontiguousarray(self.codes))
        write(path, config, {"codes": codes, "values": torch.from_numpy(self.values)})

    @classmethod
    def from_state(cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> BaselinePredictor:
        """Fit again on what `save` wrote."""
        found = cls(space, config["seed"])
        found.fit(space.check(tensors["codes"].numpy()), tensors["values"].numpy())
        found.trained_on = config["trained_on"]
        return found


class GaussianProcess(BaselinePredictor):
    """A Gaussian process with a squared exponential kernel and noise, its hyper-parameters by likelihood."""

    kind = "gp"

    def make(self) -> Any:
        """A fresh regressor."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        kernel = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(3.0, (0.1, 1e3)) + WhiteKernel(0.1, (1e-6, 1e2))
        return GaussianProcessRegressor(kernel, normalize_y=True, random_state=self.seed, n_restarts_optimizer=1)

    def predict(self, architectures: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Posterior mean [n] and deviation [n]."""
        require(self.model is not None)
        mean, deviation = self.model.predict(self.space.one_hot(self.space.codes(architectures)), return_std=True)
        return np.asarray(mean), np.asarray(deviation)


class RandomForest(BaselinePredictor):
    """A random forest of 200 trees; the deviation is that among the trees."""

    kind = "forest"

    def make(self) -> Any:
        """A fresh regressor."""
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(200, random_state=self.seed)

    def predict(self, architectures: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of the trees."""
        require(self.model is not None)
        features = self.space.one_hot(self.space.codes(architectures))
        trees = np.stack([tree.predict(features) for tree in self.model.estimators_])
        return trees.mean(0), trees.std(0)
