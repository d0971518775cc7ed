"""GaussianProcess: an exact Gaussian process on what architectures have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from predictor.auxiliary import AuxiliaryFeatures
from predictor.base import Auxiliary, Predictor, require, training_data
from predictor.features.groups import groups
from predictor.ranks import NormalScores
from predictor.serialization import write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    from predictor.gaussian.process import ExactProcess


class GaussianProcess(Predictor):
    """A Gaussian process over groups of features (`predictor.features`), on normal scores of the
    values' ranks.

    Its parameters are those of the greatest penalised likelihood. Its file holds the training data,
    what was found and the auxiliary columns' maps; what gives these columns has to be set again as
    `auxiliary.providers` when it is loaded. The deviation has the noise of the values in it.
    """

    kind: ClassVar[str] = "gp"

    def __init__(self, space: SearchSpace, seed: int = 0):
        super().__init__(space, seed)
        self.process: ExactProcess | None = None
        self.scores: NormalScores | None = None
        self.codes: Codes | None = None
        self.values: NDArray[np.float64] | None = None
        self.auxiliary = AuxiliaryFeatures({})

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
    ) -> None:
        """Find the parameters; `auxiliary` columns are one more group of features."""
        codes, known = training_data(self.space, architectures, values)
        columns = AuxiliaryFeatures.of(auxiliary, codes)
        self._solve(codes, known, columns, columns(codes), progress)
        self.trained_on = {"architectures": len(codes), "auxiliary": list(columns.maps)}
        progress(1.0, "done")

    def _solve(
        self,
        codes: Codes,
        values: NDArray[np.float64],
        columns: AuxiliaryFeatures,
        given: NDArray[np.float64],
        progress: Progress,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        from predictor.gaussian.process import ExactProcess

        self.scores = NormalScores.of(values)
        self.features: dict[str, NDArray[Any]] = {**groups(self.space, codes), "auxiliary": given}
        targets = self.scores.to_scores(values)
        self.process = ExactProcess(
            self.features, targets, lambda share: progress(share, "likelihood"), parameters
        )
        self.codes, self.values, self.auxiliary = codes, values, columns

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of architectures (or codes [n, choices]), in the unit of the
        values.
        """
        require(self.process is not None)
        assert self.scores is not None
        mean, deviation = self.predict_scores(self.space.codes(architectures))
        return self.scores.to_values(mean), self.scores.spread(mean, deviation)

    def predict_scores(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] as normal scores of the training values' ranks."""
        if not len(codes):
            return np.empty(0), np.empty(0)
        if self.auxiliary.maps:
            return self._scores_of(
                {**groups(self.space, codes), "auxiliary": self.auxiliary(codes)}
            )
        # What is one network is scored once.
        distinct, which = np.unique(self.space.representatives(codes), axis=0, return_inverse=True)
        mean, deviation = self._scores_of(
            {**groups(self.space, distinct), "auxiliary": np.zeros((len(distinct), 0))}
        )
        return mean[which.reshape(-1)], deviation[which.reshape(-1)]

    def _scores_of(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert self.process is not None
        return self.process.predict(features)

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing."""
        write(path, *self.state())

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Config and tensors that `from_state` takes; raises NotFitted."""
        import torch

        require(self.process is not None)
        assert self.process is not None
        assert self.codes is not None
        assert self.values is not None
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "auxiliary": list(self.auxiliary.maps),
            "trained_on": dict(self.trained_on),
        }
        tensors = {
            "codes": torch.from_numpy(np.ascontiguousarray(self.codes)),
            "values": torch.from_numpy(self.values),
            "given": torch.from_numpy(np.ascontiguousarray(self.features["auxiliary"])),
        }
        for index, scores in enumerate(self.auxiliary.maps.values()):
            tensors[f"auxiliary.{index}.scores"] = torch.from_numpy(scores.scores)
            tensors[f"auxiliary.{index}.values"] = torch.from_numpy(scores.values)
        return config, tensors | {
            f"kernel.{name}": value for name, value in self.process.parameters.items()
        }

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> Self:
        """The predictor of what `save` wrote."""
        found = cls(space, config["seed"])
        maps = {
            name: NormalScores(
                *(tensors[f"auxiliary.{index}.{part}"].numpy() for part in ("scores", "values"))
            )
            for index, name in enumerate(config["auxiliary"])
        }
        parameters = {
            name.removeprefix("kernel."): v
            for name, v in tensors.items()
            if name.startswith("kernel.")
        }
        codes, values = space.check(tensors["codes"].numpy()), tensors["values"].numpy()
        given = tensors["given"].numpy()
        found._solve(codes, values, AuxiliaryFeatures(maps), given, silent, parameters)
        found.trained_on = config["trained_on"]
        return found
