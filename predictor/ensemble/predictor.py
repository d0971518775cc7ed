"""An ensemble of encoders trained to rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.auxiliary import AuxiliaryFeatures
from predictor.base import Auxiliary, Predictor, require, training_data
from predictor.encoders.base import Encoder
from predictor.encoders.registry import encoder_class
from predictor.ensemble.encoding import Encoding
from predictor.ensemble.fitted import FittedEnsemble
from predictor.ensemble.fitting import Fitting as Fitting
from predictor.ensemble.fitting import Training
from predictor.ensemble.initialisation import Initialisation
from predictor.ensemble.learned_columns import LearnedColumns
from predictor.ensemble.training_data import folds_by_network, normal_scores, num_steps
from predictor.errors import InvalidValues
from predictor.serialization import write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace
from spaces.threads import fixed_threads


class GraphPredictor(Predictor):
    """An ensemble of encoders.

    Each member leaves out one fold of the training data, so that every architecture has a score by
    a member that was not trained on it; the calibration is fitted on those scores.

    Args:
        space: Space of the architectures.
        seed: Seed of weights, batches, pairs and dropout.
        members: Number of members, at least 2.
        fitting: Settings of the training. None: the defaults.
        encoder: Name of the encoder; see `predictor.encoders.registry`.
        config: Arguments of the encoder that differ from its defaults. None: there are none.
        pretraining: Number of random architectures whose multiply-accumulates, which cost nothing
            to compute, are learned before the values; only the heads are then initialised again.
            Encoders with experts learn their columns of these instead. None: the encoder's default.
        source: Fitted predictor of another space with the same encoder, whose weights and sizes
            the members begin with. None: they begin with random weights.
        columns: Columns that the experts of an encoder learn before the values, in place of those
            that `fit` is given. None: there are none.

    Raises:
        NotFitted: `source` is not fitted.
        InvalidValues: There are columns, and the encoder has no experts.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from predictor import GraphPredictor
        >>> from predictor.ensemble.fitting import Fitting
        >>> space = spaces.get("spos-tiny")
        >>> codes = space.sample(np.random.default_rng(0), 30)
        >>> model = GraphPredictor(space, members=2, fitting=Fitting(epochs=2), encoder="mlp")
        >>> model.fit(codes[:20], -space.macs(codes[:20]))
        >>> mean, deviation = model.predict(codes[20:])
        >>> mean.shape, bool((deviation > 0).all())
        ((10,), True)
    """

    kind = "graph"

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        members: int = 4,
        fitting: Fitting | None = None,
        encoder: str = "gates",
        config: Mapping[str, Any] | None = None,
        pretraining: int | None = None,
        source: GraphPredictor | None = None,
        columns: LearnedColumns | None = None,
    ):
        super().__init__(space, seed)
        self.members = members
        self.fitting = fitting or Fitting()
        self.encoder = encoder
        self.config = dict(config or {})
        self.pretraining = (
            encoder_class(encoder).pretraining if pretraining is None else pretraining
        )
        self.source = source
        if source is not None:
            # Weights are transferred between layers of equal size only.
            self.config |= source.ensemble.encoders[0].sizes()

        self.auxiliary = AuxiliaryFeatures({})
        if columns is not None and not encoder_class(encoder).expert_argument:
            raise InvalidValues(f"columns are learned by experts, which {encoder} does not have")
        self.measured_columns = columns
        self.columns: LearnedColumns | None = None
        self._ensemble: FittedEnsemble | None = None

    @property
    def ensemble(self) -> FittedEnsemble:
        """Trained members and the calibration of their scores; raises NotFitted."""
        require(self._ensemble is not None)
        assert self._ensemble is not None
        return self._ensemble

    @property
    def encoders(self) -> Sequence[Encoder]:
        """Trained members as separate encoders; raises NotFitted."""
        return self.ensemble.encoders

    @property
    def anytime(self) -> bool:
        """Whether each step of the encoder has its own head and may be taught its own values."""
        return bool(self.config.get("anytime"))

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = silent,
        checkpoint: Path | None = None,
    ) -> None:
        """Train the ensemble and calibrate it.

        Args:
            architectures: Training data, n architectures or codes [n, choices]. Architectures that
                compute the same are left out by the same member.
            values: Their values [n]; greater is better. Each step of an `anytime` encoder may be
                taught values of its own, such as the accuracies after some and after all epochs,
                [n, steps]; `predict` then returns the last, and `predict_steps` all of them.
            auxiliary: One further feature of every operation for encoders that take such, the
                zero-cost features of TA-GATES; a column may then have one number for each position,
                [n, positions]. Of encoders with experts each learns a column before the values, of
                the training data and of `pretraining` random architectures; predictions do not need
                the columns. Other encoders ignore them.
            progress: Receives the fraction done and a text after every epoch.
            checkpoint: File of the training's state: written while the training lasts, and read
                when an interrupted one is repeated. None: no state is written.

        Raises:
            TooFewArchitectures: The architectures compute fewer than 10 networks.
            InvalidValues: The number of values differs, or a value is not finite.
        """
        steps = num_steps(values, self.config)
        codes, targets = training_data(self.space, architectures, values, steps)
        fold = folds_by_network(self.space, codes, self.members, self.seed)
        encoding = self._encoding(codes, auxiliary)
        source = None if self.source is None else self.source.ensemble
        initialisation = Initialisation(encoding, self.pretraining, source, self.columns)

        # One thread: on such small graphs a second gains little, and next to another busy process
        # threads wait for each other.
        with torch.random.fork_rng(devices=[]), fixed_threads(1):
            members = Training(
                initialisation.members(self.members, self.fitting, self.seed, progress),
                encoding.inputs(codes),
                normal_scores(targets),
                fold,
                self.fitting,
                self.seed,
                checkpoint,
                initialisation.identity(codes),
            ).run(progress)

            self._ensemble = FittedEnsemble.calibrate(
                encoding, members, codes, targets, fold, self.seed
            )

        self.trained_on = {"architectures": len(codes)}
        if self.columns is not None:
            self.trained_on["columns"] = list(self.columns.names)
        if self.source is not None:
            origin = {"space": self.source.space.name, **self.source.trained_on}
            self.trained_on["transferred_from"] = origin

    def _encoding(self, codes: Codes, auxiliary: Auxiliary | None) -> Encoding:
        """Return the encoding; auxiliary columns become features, or are learned by experts."""
        encoder = encoder_class(self.encoder)
        self.auxiliary = AuxiliaryFeatures.from_columns(
            auxiliary if encoder.auxiliary else None, codes, self.space.positions
        )
        if encoder.expert_argument:
            self.columns = self.measured_columns or LearnedColumns.from_providers(
                self.space, codes, self.pretraining, self.seed, auxiliary
            )
            self.config[encoder.expert_argument] = len(self.columns.names)

        return Encoding(self.space, self.encoder, dict(self.config), self.auxiliary)

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict mean [n] and deviation [n] of architectures; see `Predictor.predict`."""
        return self.ensemble.predict(self.space.codes(architectures))

    def predict_steps(self, architectures: Architectures) -> NDArray[np.float64]:
        """Predict the values of every step of an anytime predictor.

        Args:
            architectures: n architectures, or their codes [n, choices].

        Returns:
            Means [n, steps], the last column of which is the mean of `predict`.

        Raises:
            NotFitted: `fit` has not been called.
        """
        return self.ensemble.predict_steps(self.space.codes(architectures))

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Predict distributions over candidates [n]; see `Predictor.score_relaxed`."""
        return self.ensemble.score_relaxed(probabilities)

    def digest(self) -> str:
        """Return the SHA-256 of the members' weights."""
        return self.ensemble.digest()

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing; raises NotFitted."""
        write(path, *self.state())

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the config and the tensors for `from_state`; raises NotFitted."""
        ensemble_config, tensors = self.ensemble.state()
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "members": self.members,
            "fitting": asdict(self.fitting),
            "pretraining": self.pretraining,
            **ensemble_config,
            "trained_on": dict(self.trained_on),
        }
        return config, tensors

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> GraphPredictor:
        """Rebuild a predictor from the config and the tensors that `save` wrote."""
        ensemble = FittedEnsemble.from_state(space, config, tensors)
        model = cls(
            space,
            config["seed"],
            config["members"],
            Fitting(**config["fitting"]),
            config["encoder"],
            ensemble.encoding.config,
            config["pretraining"],
        )
        model.auxiliary = ensemble.encoding.auxiliary
        model._ensemble = ensemble
        model.trained_on = config["trained_on"]
        return model
