"""A blend of a Gaussian process and boosted trees, whose errors differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from predictor.auxiliary import AuxiliaryFeatures
from predictor.gaussian.predictor import GaussianProcess
from predictor.serialization import with_prefix
from predictor.trees.boosted import BoostedTrees
from spaces.progress import Progress
from spaces.space import Codes, SearchSpace

# The weight of the trees is _WEIGHT_SCALE / sqrt(architectures), at most _MAX_WEIGHT.
_MAX_WEIGHT = 0.3
_WEIGHT_SCALE = 3.0
_PREFIX = "trees."


class Blend(GaussianProcess):
    """The weighted mean of a Gaussian process and boosted trees on the same features and targets.

    The process assumes that values vary smoothly with the features, trees that they vary in steps;
    with few training architectures their mean ranks better than either. The weight of the trees is
    3 / sqrt(architectures), at most 0.3. A weight fitted on leave-one-out predictions ranked worse:
    those of the process, in closed form, use parameters that were fitted on all architectures. The
    deviation is that of the process.
    """

    kind: ClassVar[str] = "blend"

    def __init__(self, space: SearchSpace, seed: int = 0):
        super().__init__(space, seed)
        self.trees: BoostedTrees | None = None

    @property
    def weight(self) -> float:
        """The weight of the trees."""
        assert self.codes is not None
        return min(_MAX_WEIGHT, _WEIGHT_SCALE / math.sqrt(len(self.codes)))

    def _solve(
        self,
        codes: Codes,
        values: NDArray[np.float64],
        auxiliary: AuxiliaryFeatures,
        auxiliary_features: NDArray[np.float64],
        progress: Progress,
        parameters: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super()._solve(codes, values, auxiliary, auxiliary_features, progress, parameters)
        assert self.scores is not None
        # With parameters from a file, the trees come from it as well.
        if parameters is None:
            targets = self.scores.to_scores(values)
            self.trees = BoostedTrees.fit(_concatenated(self.features), targets, self.seed)

    def _predict_features(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert self.trees is not None
        mean, deviation = super()._predict_features(features)
        tree_mean = self.trees(_concatenated(features))
        return (1 - self.weight) * mean + self.weight * tree_mean, deviation

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the config and the tensors for `from_state`; raises NotFitted."""
        import torch

        config, tensors = super().state()
        assert self.trees is not None
        for name, array in self.trees.arrays().items():
            tensors[_PREFIX + name] = torch.from_numpy(array)
        return config, tensors

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> Self:
        """Rebuild a predictor from the config and the tensors that `save` wrote."""
        model = super().from_state(space, config, tensors)
        arrays = {name: tensor.numpy() for name, tensor in with_prefix(_PREFIX, tensors).items()}
        model.trees = BoostedTrees.from_arrays(arrays)
        return model


def _concatenated(features: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return all groups of features as one array [n, features]."""
    return np.concatenate(
        [np.asarray(values, dtype=np.float32) for values in features.values()], axis=1
    )
