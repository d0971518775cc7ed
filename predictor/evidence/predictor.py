"""A predictor over mixed evidence: cheap columns that a few labels weigh and correct."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from predictor.base import MIN_ARCHITECTURES, Auxiliary, Predictor, require, training_data
from predictor.errors import InvalidValues
from predictor.evidence.columns import ColumnModel, EvidenceColumn
from predictor.evidence.consensus import Consensus
from predictor.evidence.weights import EvidenceWeights, folds
from predictor.gaussian.predictor import GaussianProcess
from predictor.metrics import kendall_tau, spearman
from predictor.ranks import NormalScores
from predictor.serialization import with_prefix, write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace

Array = NDArray[np.float64]

CONSENSUS_METRIC = "mean_log_rank"
"""What a predictor without labels predicts."""

_FOLDS = 5

# Random architectures over which groups of columns are compared.
_COMPARED = 400


class EvidencePredictor(Predictor):
    """A linear mean over columns of evidence, and a Gaussian process over its residuals.

    Each column is first predicted for every architecture by a Gaussian process of its own, which
    also averages its noise. The labels then learn the weights of the columns, shrunk towards equal
    ones, and a Gaussian process over the architecture learns their residuals where that lowers the
    error in cross-validation. Without columns this is a Gaussian process on the labels. Without
    labels the columns vote, see `Consensus`; predictions are then mean logarithms of ranks.

    Args:
        space: Space of the architectures.
        seed: Seed of all randomness of the fit.
        columns: Columns of evidence; each needs at least 10 architectures.
        label_agreement: Correlation between the labels and those of longer trainings. Where it is
            no greater than that of the weighted columns with the labels, longer trainings would
            change most of the residuals, which are not corrected. None: unknown; the labels are
            used as they are.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from predictor.evidence.columns import EvidenceColumn
        >>> space = spaces.get("spos-tiny")
        >>> codes = np.unique(space.sample(np.random.default_rng(0), 30), axis=0)
        >>> sizes = np.log(space.macs(codes))
        >>> model = EvidencePredictor(space, columns=[EvidenceColumn("size", "a", codes, sizes)])
        >>> model.fit(codes[:16], sizes[:16])
        >>> mean, deviation = model.predict(codes)
        >>> bool(model.trained_on["cross_validation"]["spearman"] > 0.8)
        True
    """

    kind: ClassVar[str] = "evidence"

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        columns: Sequence[EvidenceColumn] = (),
        label_agreement: float | None = None,
    ):
        super().__init__(space, seed)
        self.columns = tuple(columns)
        self.label_agreement = label_agreement
        self.models: list[ColumnModel] = []
        self.scores: NormalScores | None = None
        self.weights: EvidenceWeights | None = None
        self.consensus: Consensus | None = None
        self.residuals: GaussianProcess | None = None

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
    ) -> None:
        """Learn from labels, such as those of short trainings; auxiliary columns are not used."""
        codes, targets = training_data(self.space, architectures, values)
        self._fit_columns(progress)
        self.consensus = None

        self.scores = NormalScores.from_values(targets)
        labels = self.scores.to_scores(targets)
        features = self._features(codes)
        progress(0.9, "weights")
        linear, corrected = self._cross_validate(codes, features, labels)
        self.weights = EvidenceWeights.fit(features, labels, self._prior)

        # The process is worth its variance only where it predicts labels that it has not seen.
        improves = bool(((corrected - labels) ** 2).sum() < ((linear - labels) ** 2).sum())
        # Errors that all labels share, as those of trainings that are too short, are predicted too.
        agreement = self.label_agreement
        is_stable = agreement is None or agreement > spearman(linear, labels)
        corrects = (improves and is_stable) or not self.columns
        self.residuals = self._fit_residuals(codes, features, labels) if corrects else None

        predicted = corrected if corrects else linear
        self.trained_on = {
            "architectures": len(codes),
            "columns": [column.name for column in self.columns],
            "weights": self._by_column(self.weights.weights),
            "corrects_residuals": corrects,
            "label_agreement": agreement,
            "cross_validation": {
                "folds": min(_FOLDS, len(codes)),
                "spearman": spearman(predicted, labels),
                "kendall_tau": kendall_tau(predicted, labels),
            },
        }
        progress(1.0, "done")

    def fit_without_labels(self, progress: Progress = silent) -> None:
        """Let the columns vote.

        Args:
            progress: Called with the fraction done after each column.

        Raises:
            InvalidValues: There are no columns.
            TooFewArchitectures: A column has fewer than 10 architectures.
        """
        if not self.columns:
            raise InvalidValues("a predictor without labels needs columns of evidence")
        self._fit_columns(progress)
        features = self._features(self._random_codes())
        self.consensus = Consensus.from_features(features)

        self.trained_on = {
            "architectures": max(len(column.codes) for column in self.columns),
            "columns": [column.name for column in self.columns],
            "weights": self._by_column(self.consensus.votes),
            "agreements": self._by_column(self.consensus.agreements(features)),
            "metric": CONSENSUS_METRIC,
            "unit": "score",
            "higher_is_better": True,
        }
        progress(1.0, "done")

    def predict(self, architectures: Architectures) -> tuple[Array, Array]:
        """Predict mean [n] and deviation [n].

        The deviation grows where the evidence disagrees and, where residuals are corrected, away
        from the labels.
        """
        require(self.weights is not None or self.consensus is not None)
        codes = self.space.codes(architectures)
        if not len(codes):
            return np.empty(0), np.empty(0)

        if self.consensus is not None:
            mean, variance = self.consensus.predict(self._features(codes))
            return mean, np.sqrt(variance)

        assert self.weights is not None
        assert self.scores is not None
        mean, variance = self.weights.predict(self._features(codes))
        if self.residuals is None:
            variance = variance + self.weights.noise
        else:
            # The process explains a part of what is noise to the map, and leaves less of it where
            # labels are near.
            corrections, deviations = self.residuals.predict(codes)
            mean = mean + corrections
            variance = variance + deviations**2

        return self.scores.to_values(mean), self.scores.spread(mean, np.sqrt(variance))

    def contradictions(self) -> list[tuple[str, str, float]]:
        """Return the groups of columns that rank the space against each other.

        Returns:
            Two groups and the negative rank correlation of their mean columns over random
            architectures. At least one of the two misleads, which no label is needed to see.
        """
        features = self._features(self._random_codes())
        names = [column.group for column in self.columns]
        means = {
            group: features[:, [name == group for name in names]].mean(1)
            for group in dict.fromkeys(names)
        }
        pairs = [
            (first, second, spearman(means[first], means[second]))
            for first, second in itertools.combinations(means, 2)
        ]
        return [pair for pair in pairs if pair[2] < 0]

    def _random_codes(self) -> Codes:
        return self.space.sample(np.random.default_rng([self.seed, 2]), _COMPARED)

    def _by_column(self, weights: Array) -> dict[str, float]:
        names = [f"{column.group}:{column.name}" for column in self.columns]
        return dict(zip(names, weights.tolist(), strict=True))

    @property
    def _prior(self) -> Array:
        """Prior weight of each column: each group has the same, and so has each of its columns."""
        groups = [column.group for column in self.columns]
        shares = [1 / (len(set(groups)) * groups.count(group)) for group in groups]
        return np.array(shares, dtype=np.float64)

    def _fit_columns(self, progress: Progress) -> None:
        # They do not depend on the labels, so that a second fit takes them as they are.
        for index in range(len(self.models), len(self.columns)):
            column = self.columns[index]
            progress(0.9 * index / len(self.columns), column.name)
            self.models.append(ColumnModel.fit(column, self.space, self.seed))

    def _features(self, codes: Codes) -> Array:
        features = [model.log_ranks(codes) for model in self.models]
        return np.stack(features, axis=1) if features else np.zeros((len(codes), 0))

    def _fit_residuals(self, codes: Codes, features: Array, labels: Array) -> GaussianProcess:
        weights = EvidenceWeights.fit(features, labels, self._prior)
        process = GaussianProcess(self.space, self.seed)
        process.fit(codes, labels - weights.predict(features)[0])
        return process

    def _cross_validate(self, codes: Codes, features: Array, labels: Array) -> tuple[Array, Array]:
        """Predict each label from the labels of the other folds.

        Returns:
            Predictions of the linear mean [n], and of the mean with the process [n].
        """
        linear = np.empty(len(labels))
        corrected = np.empty(len(labels))
        for rows in folds(len(labels), _FOLDS):
            others = np.setdiff1d(np.arange(len(labels)), rows)
            weights = EvidenceWeights.fit(features[others], labels[others], self._prior)
            linear[rows] = weights.predict(features[rows])[0]
            corrected[rows] = linear[rows]
            # A process needs as many labels as any predictor.
            if len(others) >= MIN_ARCHITECTURES:
                process = self._fit_residuals(codes[others], features[others], labels[others])
                corrected[rows] += process.predict(codes[rows])[0]

        return linear, corrected

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing; raises NotFitted."""
        import torch

        require(self.weights is not None or self.consensus is not None)
        linear, arrays = self._mean_state()
        tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
        config: dict[str, Any] = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "linear": linear,
            "columns": [],
            "residuals": None,
            "trained_on": dict(self.trained_on),
        }
        for index, (column, model) in enumerate(zip(self.columns, self.models, strict=True)):
            state, parts = model.state()
            config["columns"].append({"name": column.name, "group": column.group, "state": state})
            tensors |= {f"column.{index}.{name}": value for name, value in parts.items()}

        if self.residuals is not None:
            config["residuals"], parts = self.residuals.state()
            tensors |= {f"residuals.{name}": value for name, value in parts.items()}

        write(path, config, tensors)

    def _mean_state(self) -> tuple[dict[str, Any] | None, dict[str, Array]]:
        """Return the numbers and the arrays of the mean over columns; no numbers for votes."""
        if self.consensus is not None:
            return None, {"votes": self.consensus.votes}

        assert self.weights is not None
        assert self.scores is not None
        weights = self.weights
        numbers = {
            "intercept": weights.intercept,
            "noise": weights.noise,
            # JSON has no infinity.
            "strength": str(weights.strength),
            "count": weights.count,
        }
        return numbers, {
            "prior": weights.prior,
            "offsets": weights.offsets,
            "weights": weights.weights,
            "inverse": weights.inverse,
            "labels.scores": self.scores.scores,
            "labels.values": self.scores.values,
        }

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> Self:
        """Rebuild a predictor from the config and the tensors that `save` wrote."""
        models = [
            ColumnModel.from_state(space, entry["state"], with_prefix(f"column.{index}.", tensors))
            for index, entry in enumerate(config["columns"])
        ]
        columns = [
            EvidenceColumn(entry["name"], entry["group"], process.codes, process.values)
            for entry, process in zip(
                config["columns"], (model.process for model in models), strict=True
            )
            if process.codes is not None and process.values is not None
        ]
        predictor = cls(space, config["seed"], columns)
        predictor.models = models
        predictor.trained_on = config["trained_on"]
        linear = config["linear"]
        if linear is None:
            predictor.consensus = Consensus(tensors["votes"].numpy())
            return predictor

        predictor.weights = EvidenceWeights(
            prior=tensors["prior"].numpy(),
            offsets=tensors["offsets"].numpy(),
            intercept=linear["intercept"],
            weights=tensors["weights"].numpy(),
            inverse=tensors["inverse"].numpy(),
            noise=linear["noise"],
            strength=float(linear["strength"]),
            count=linear["count"],
        )
        predictor.scores = NormalScores(
            tensors["labels.scores"].numpy(), tensors["labels.values"].numpy()
        )
        if config["residuals"] is not None:
            predictor.residuals = GaussianProcess.from_state(
                space, config["residuals"], with_prefix("residuals.", tensors)
            )

        return predictor
