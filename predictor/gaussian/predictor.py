"""An exact Gaussian process on the paths, sequences and costs of architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from predictor.auxiliary import AuxiliaryFeatures
from predictor.base import Auxiliary, Predictor, require, training_data
from predictor.deviations import ValueDeviations
from predictor.features.groups import FeatureSet, groups, has_parts
from predictor.gaussian.priors import CELLS
from predictor.ranks import NormalScores
from predictor.serialization import with_prefix, write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    from predictor.gaussian.ensemble import ProcessEnsemble

# Architectures, and steps of a fit, by which two sets of features are compared.
_COMPARED_ROWS = 200
_COMPARED_STEPS = 40
# Least gain of the logarithm of the likelihood for each architecture.
_MIN_GAIN = 0.05
# Groups that a second process lacks, with at most so many architectures: with more of them the mean
# gains little, and each process takes the third power of their number.
_OMITTED = (("choices", "neighbours"),)
_MAX_ENSEMBLE = 500


class GaussianProcess(Predictor):
    """A Gaussian process over groups of features, on scores of the values' ranks and distances.

    See `predictor.features` for the features. The parameters are those of the greatest penalised
    likelihood. The file contains the training data, the parameters and the maps of the auxiliary
    columns; after loading, `auxiliary.provide` sets the functions that return these columns. The
    deviation includes the noise of the values, and is calibrated on the training data, each
    architecture predicted from all others; see `predictor.deviations`.
    """

    kind: ClassVar[str] = "gp"

    def __init__(self, space: SearchSpace, seed: int = 0):
        super().__init__(space, seed)
        self.processes: ProcessEnsemble | None = None
        self.scores: NormalScores | None = None
        self.deviations: ValueDeviations | None = None
        self.codes: Codes | None = None
        self.values: NDArray[np.float64] | None = None
        self.auxiliary = AuxiliaryFeatures({})
        # Predictors of earlier versions have fewer. Each fit decides on the parts.
        self.chosen = FeatureSet(propagation=True, costs_by_kind=True, pairs=True, neighbours=True)
        # False only for predictors that were fitted before the distances of values counted.
        self.with_distances = True
        # False only for predictors of earlier versions, whose processes weigh the first power.
        self.with_sharp_weights = True
        # Decided by each fit.
        self.omitted: tuple[tuple[str, ...], ...] = ()

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
    ) -> None:
        """Fit the parameters; `auxiliary` columns are one more group of features."""
        codes, targets = training_data(self.space, architectures, values)
        columns = AuxiliaryFeatures.from_columns(auxiliary, codes)
        with_parts = has_parts(self.space) and self._prefers_parts(codes, targets)
        self.chosen = replace(self.chosen, parts=with_parts)
        is_mean = len(codes) <= _MAX_ENSEMBLE and not has_parts(self.space)
        self.omitted = _OMITTED if is_mean else ()
        self._solve(codes, targets, columns, columns(codes), progress)
        self.trained_on = {"architectures": len(codes), "auxiliary": list(columns.maps)}
        progress(1.0, "done")

    @property
    def with_values(self) -> bool:
        """Whether the numbers of ValueChoices are features; False in early files alone."""
        return self.chosen.values

    @with_values.setter
    def with_values(self, with_values: bool) -> None:
        self.chosen = replace(self.chosen, values=with_values)

    def _prefers_parts(self, codes: Codes, values: NDArray[np.float64]) -> bool:
        """Return whether the sums of the blocks' parts make some of the values more likely.

        A group of features costs a little where it says nothing new, such as with three candidates.
        """
        from predictor.gaussian.process import ExactProcess

        order = np.random.default_rng(self.seed).permutation(len(codes))[:_COMPARED_ROWS]
        targets = self._target_map(values[order]).to_scores(values[order])
        without, with_parts = (
            ExactProcess(
                groups(self.space, codes[order], replace(self.chosen, parts=parts)),
                targets,
                seed=self.seed,
                steps=_COMPARED_STEPS,
            ).log_likelihood
            for parts in (False, True)
        )
        return with_parts - without > _MIN_GAIN * len(order)

    def _target_map(self, values: NDArray[np.float64]) -> NormalScores:
        """Return the map from values to the process's targets."""
        if self.with_distances:
            return NormalScores.from_ranks_and_values(values)
        return NormalScores.from_values(values)

    def _solve(
        self,
        codes: Codes,
        values: NDArray[np.float64],
        auxiliary: AuxiliaryFeatures,
        auxiliary_features: NDArray[np.float64],
        progress: Progress,
        parameters: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Make the processes; their parameters are fitted where `parameters` is None."""
        from predictor.gaussian.ensemble import SHARPNESS, ProcessEnsemble

        self.scores = self._target_map(values)
        self.features: dict[str, NDArray[Any]] = {
            **self._groups(codes),
            "auxiliary": auxiliary_features,
        }
        self.processes = ProcessEnsemble(
            self.features,
            self.scores.to_scores(values),
            self.omitted,
            lambda fraction: progress(fraction, "likelihood"),
            parameters,
            self.seed,
            priors=CELLS if self.space.repeats_cells else None,
            sharpness=SHARPNESS if self.with_sharp_weights else 1,
        )
        self.deviations = ValueDeviations.fit(
            self.scores,
            self.processes.left_out_mean,
            self.processes.left_out_deviation,
            values,
        )
        self.codes = codes
        self.values = values
        self.auxiliary = auxiliary

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict mean [n] and deviation [n] of architectures; see `Predictor.predict`."""
        require(self.processes is not None)
        assert self.scores is not None
        assert self.deviations is not None
        mean, deviation = self.predict_scores(self.space.codes(architectures))
        return self.scores.to_values(mean), self.deviations(mean, deviation)

    def predict_scores(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict scores of the training values; see `NormalScores.from_ranks_and_values`.

        Args:
            codes: Codes of the architectures, [n, choices].

        Returns:
            Mean [n] and deviation [n].
        """
        if not len(codes):
            return np.empty(0), np.empty(0)

        # Auxiliary columns may differ between architectures that are one network.
        features: dict[str, NDArray[Any]]
        if self.auxiliary.maps:
            features = {**self._groups(codes), "auxiliary": self.auxiliary(codes)}
            return self._predict_features(features)

        # Each network is scored once.
        distinct, which = np.unique(self.space.representatives(codes), axis=0, return_inverse=True)
        features = {**self._groups(distinct), "auxiliary": np.zeros((len(distinct), 0))}
        mean, deviation = self._predict_features(features)
        return mean[which.reshape(-1)], deviation[which.reshape(-1)]

    def _groups(self, codes: Codes) -> dict[str, NDArray[np.float32]]:
        return groups(self.space, codes, self.chosen)

    def _predict_features(
        self, features: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert self.processes is not None
        return self.processes.predict(features)

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing; raises NotFitted."""
        write(path, *self.state())

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the config and the tensors for `from_state`; raises NotFitted."""
        import torch

        require(self.processes is not None)
        assert self.processes is not None
        assert self.codes is not None
        assert self.values is not None
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "with_distances": self.with_distances,
            "with_sharp_weights": self.with_sharp_weights,
            **{f"with_{name}": value for name, value in asdict(self.chosen).items()},
            "omitted": [list(names) for names in self.omitted],
            "auxiliary": list(self.auxiliary.maps),
            "trained_on": dict(self.trained_on),
        }

        # "given" is the auxiliary features' name in files since the first version.
        arrays = {
            "codes": np.ascontiguousarray(self.codes),
            "values": self.values,
            "given": np.ascontiguousarray(self.features["auxiliary"]),
            **self.auxiliary.arrays(),
        }
        kernel = {
            f"{_kernel_prefix(index)}{name}": value
            for index, process in enumerate(self.processes.processes)
            for name, value in process.parameters.items()
        }
        return config, {name: torch.from_numpy(array) for name, array in arrays.items()} | kernel

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> Self:
        """Rebuild a predictor from the config and the tensors that `save` wrote."""
        model = cls(space, config["seed"])
        model.chosen = FeatureSet(
            **{field.name: config.get(f"with_{field.name}", False) for field in fields(FeatureSet)}
        )
        model.with_distances = config.get("with_distances", False)
        model.with_sharp_weights = config.get("with_sharp_weights", False)
        # Files of earlier versions have the name of one group in place of a list.
        model.omitted = tuple(
            (names,) if isinstance(names, str) else tuple(names)
            for names in config.get("omitted", ())
        )
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}

        # Only the kernels' parameters are stored as such; the processes are solved again from the
        # data.
        parameters = [
            with_prefix(_kernel_prefix(index), tensors) for index in range(1 + len(model.omitted))
        ]
        model._solve(
            space.check(arrays["codes"]),
            arrays["values"],
            AuxiliaryFeatures.from_arrays(config["auxiliary"], arrays),
            arrays["given"],
            silent,
            parameters,
        )

        model.trained_on = config["trained_on"]
        return model


def _kernel_prefix(index: int) -> str:
    """Return the prefix of a process's parameters in files; the first has that of single ones."""
    return f"kernel{index}." if index else "kernel."
