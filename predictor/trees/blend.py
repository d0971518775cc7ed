"""Blend: a Gaussian process with boosted trees, which err apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from predictor.auxiliary import AuxiliaryFeatures
from predictor.gaussian.predictor import GaussianProcess
from predictor.trees.boosted import BoostedTrees
from spaces.progress import Progress
from spaces.space import Codes, SearchSpace

_MOST_OF_TREES, _FALL = 0.3, 3.0
_PREFIX = "trees."


class Blend(GaussianProcess):
    """The weighted mean of a Gaussian process and boosted trees on the same features and normal
    scores.

    The process takes what architectures have in common to vary smoothly, trees take it in steps;
    where few architectures are trained on, their mean ranks better than either. The trees weigh 3 /
    sqrt(architectures), at most .3: a weight chosen on predictions of what was left out of the fit
    ranked worse, since the process's own, in closed form, know the parameters that were fitted on
    all. The deviation is that of the process.
    """

    kind: ClassVar[str] = "blend"

    def __init__(self, space: SearchSpace, seed: int = 0):
        super().__init__(space, seed)
        self.trees: BoostedTrees | None = None

    @property
    def weight(self) -> float:
        """Of the trees."""
        assert self.codes is not None
        return min(_MOST_OF_TREES, _FALL / math.sqrt(len(self.codes)))

    def _solve(
        self,
        codes: Codes,
        values: NDArray[np.float64],
        columns: AuxiliaryFeatures,
        given: NDArray[np.float64],
        progress: Progress,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        super()._solve(codes, values, columns, given, progress, parameters)
        assert self.scores is not None
        if parameters is None:
            self.trees = BoostedTrees.fit(
                _together(self.features), self.scores.to_scores(values), self.seed
            )

    def _scores_of(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert self.trees is not None
        mean, deviation = super()._scores_of(features)
        return (1 - self.weight) * mean + self.weight * self.trees(_together(features)), deviation

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Config and tensors that `from_state` takes; raises NotFitted."""
        import torch

        config, tensors = super().state()
        assert self.trees is not None
        parts = {
            _PREFIX + name: torch.from_numpy(values) for name, values in self.trees.arrays().items()
        }
        return config, tensors | parts

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> Self:
        """The predictor of what `save` wrote."""
        found = super().from_state(space, config, tensors)
        parts = {
            name.removeprefix(_PREFIX): v.numpy()
            for name, v in tensors.items()
            if name.startswith(_PREFIX)
        }
        found.trees = BoostedTrees.of(parts)
        return found


def _together(features: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    return np.concatenate(
        [np.asarray(values, dtype=np.float32) for values in features.values()], axis=1
    )
