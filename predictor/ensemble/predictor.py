"""An ensemble of encoders trained to rank."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.auxiliary import AuxiliaryFeatures
from predictor.base import MIN_ARCHITECTURES, Auxiliary, Predictor, require, training_data
from predictor.encoders.base import Encoder
from predictor.encoders.registry import encoder_class
from predictor.ensemble.calibration import Calibration
from predictor.ensemble.fitting import Fitting as Fitting
from predictor.ensemble.fitting import Training
from predictor.ensemble.learned_columns import LearnedColumns
from predictor.ensemble.members import Members
from predictor.ensemble.pretraining import pretrain_on_macs
from predictor.ensemble.transfer import transfer
from predictor.errors import InvalidValues, TooFewArchitectures
from predictor.evaluated import network_numbers
from predictor.ranks import NormalScores
from predictor.serialization import with_prefix, write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace
from spaces.threads import fixed_threads

# Architectures whose scores set the origin and the scale of each member's scores.
_REFERENCE_SIZE = 1024


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
            require(source.calibration is not None)

            # Weights are transferred between layers of equal size only.
            self.config |= source.encoders[0].sizes()

        self.encoders: list[Encoder] = []
        self.auxiliary = AuxiliaryFeatures({})
        if columns is not None and not encoder_class(encoder).expert_argument:
            raise InvalidValues(f"columns are learned by experts, which {encoder} does not have")
        self.measured_columns = columns
        self.columns: LearnedColumns | None = None
        self.calibration: Calibration | None = None
        # Of the steps before the last, where each step was taught values of its own.
        self.step_calibrations: list[Calibration] = []
        self._members: Members

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
        steps = self._steps_of(values)
        codes, step_targets = training_data(self.space, architectures, values, steps)
        targets = step_targets if steps is None else step_targets[:, -1]

        # By network: a member must not score an architecture whose isomorph it was trained on.
        networks = network_numbers(self.space, codes)
        num_networks = int(networks.max()) + 1
        if num_networks < MIN_ARCHITECTURES:
            raise TooFewArchitectures(
                f"an ensemble needs at least {MIN_ARCHITECTURES} networks; the {len(codes)}"
                f" architectures compute {num_networks}"
            )

        order = np.random.default_rng(self.seed).permutation(num_networks)
        fold = order[networks] % self.members
        accepts_auxiliary = bool(encoder_class(self.encoder).auxiliary)
        self.auxiliary = AuxiliaryFeatures.from_columns(
            auxiliary if accepts_auxiliary else None, codes, self.space.positions
        )

        expert_argument = encoder_class(self.encoder).expert_argument
        if expert_argument:
            self.columns = self.measured_columns or LearnedColumns.from_providers(
                self.space, codes, self.pretraining, self.seed, auxiliary
            )
            self.config[expert_argument] = len(self.columns.names)

        # One thread: on such small graphs a second gains little, and next to another busy process
        # threads wait for each other.
        with torch.random.fork_rng(devices=[]), fixed_threads(1):
            members = Training(
                self._initial_members(progress),
                self._inputs(codes),
                _normal_scores(step_targets),
                fold,
                self.fitting,
                self.seed,
                checkpoint,
                self._identity(codes),
            ).run(progress)

            self._members = members
            self.calibration = self._calibrated(codes, targets, fold)
            self.step_calibrations = [
                self._calibrated(codes, step_targets[:, step], fold, step)
                for step in range((steps or 1) - 1)
            ]

        self.encoders = members.encoders()
        self.trained_on = {"architectures": len(codes)}
        if self.columns is not None:
            self.trained_on["columns"] = list(self.columns.names)
        if self.source is not None:
            origin = {"space": self.source.space.name, **self.source.trained_on}
            self.trained_on["transferred_from"] = origin

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict mean [n] and deviation [n] of architectures; see `Predictor.predict`."""
        require(self.calibration is not None)
        assert self.calibration is not None
        codes = self.space.codes(architectures)
        return self.calibration.apply(self._members.scores(self._inputs, codes))

    @property
    def anytime(self) -> bool:
        """Whether each step of the encoder has its own head and may be taught its own values."""
        return bool(self.config.get("anytime"))

    def predict_steps(self, architectures: Architectures) -> NDArray[np.float64]:
        """Predict the values of every step of an anytime predictor.

        Args:
            architectures: n architectures, or their codes [n, choices].

        Returns:
            Means [n, steps], the last column of which is the mean of `predict`.

        Raises:
            NotFitted: `fit` has not been called.
        """
        codes = self.space.codes(architectures)
        last, _ = self.predict(codes)
        columns = [
            calibration.apply(self._members.scores(self._inputs, codes, step))[0]
            for step, calibration in enumerate(self.step_calibrations)
        ]
        return np.stack([*columns, last], axis=1)

    def _steps_of(self, values: Sequence[float] | NDArray[np.floating[Any]]) -> int | None:
        """Return the number of values that each architecture has; None for one."""
        if np.ndim(values) < 2:
            return None
        steps = int(np.shape(values)[1])
        if not self.anytime or self.config.get("steps") != steps:
            raise InvalidValues(
                f"{steps} values of an architecture are learned by TA-GATES with anytime=True and"
                f" steps={steps} alone"
            )
        return steps

    def _calibrated(
        self,
        codes: Codes,
        targets: NDArray[np.float64],
        fold: NDArray[np.int64],
        step: int | None = None,
    ) -> Calibration:
        """Fit the calibration of a step's scores."""
        # Each architecture's score by the member that left it out.
        scores = self._members.scores(self._inputs, codes, step)[fold, np.arange(len(codes))]
        # Auxiliary columns may be unknown of architectures outside the training data.
        sample = self.space.sample(np.random.default_rng(self.seed), _REFERENCE_SIZE)
        reference = self._members.scores(
            self._inputs, codes if self.auxiliary.maps else sample, step
        )
        return Calibration.fit(scores, targets, fold, reference)

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Predict distributions over candidates [n]; see `Predictor.score_relaxed`."""
        from predictor.encoders.gates import GatesEncoder
        from predictor.encoders.relaxed import relaxed_graphs
        from predictor.errors import NotRelaxable

        require(self.calibration is not None)
        assert self.calibration is not None
        if encoder_class(self.encoder) is not GatesEncoder:
            raise NotRelaxable(
                f"relaxed architectures are scored by the encoder gates, not by {self.encoder}"
            )

        scores = self._members(relaxed_graphs(self.space, probabilities))
        return self.calibration.relaxed_mean(scores)

    def digest(self) -> str:
        """Return the SHA-256 of the members' weights."""
        digest = hashlib.sha256()
        for encoder in self.encoders:
            for tensor in encoder.state_dict().values():
                digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing; raises NotFitted."""
        write(path, *self.state())

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the config and the tensors for `from_state`; raises NotFitted."""
        require(self.calibration is not None)
        assert self.calibration is not None
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "members": self.members,
            "fitting": asdict(self.fitting),
            "encoder": self.encoder,
            "encoder_version": encoder_class(self.encoder).version,
            "config": self.config,
            "pretraining": self.pretraining,
            "auxiliary": list(self.auxiliary.maps),
            "calibration": self.calibration.to_dict(),
            "trained_on": dict(self.trained_on),
        }
        if self.step_calibrations:
            config["step_calibrations"] = [item.to_dict() for item in self.step_calibrations]

        tensors = {
            f"{member}.{name}": tensor
            for member, encoder in enumerate(self.encoders)
            for name, tensor in encoder.state_dict().items()
        }
        for name, array in self.auxiliary.arrays().items():
            tensors[name] = torch.from_numpy(array)

        return config, tensors

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> GraphPredictor:
        """Rebuild a predictor from the config and the tensors that `save` wrote."""
        # Files from before versions were recorded have version 1.
        earlier = encoder_class(config["encoder"]).earlier_config(
            config.get("encoder_version", 1), space
        )
        model = cls(
            space,
            config["seed"],
            config["members"],
            Fitting(**config["fitting"]),
            config["encoder"],
            # Defaults of the encoder's version in which the file was written.
            {**earlier, **config["config"]},
            config["pretraining"],
        )

        model.auxiliary = AuxiliaryFeatures.from_arrays(
            config["auxiliary"],
            {
                name: value.numpy()
                for name, value in tensors.items()
                if name.startswith("auxiliary")
            },
        )

        for member in range(model.members):
            state = with_prefix(f"{member}.", tensors)

            # The initial weights are replaced at once; loading must not advance torch's generator.
            with torch.random.fork_rng(devices=[]):
                encoder = encoder_class(model.encoder).from_space(space, **model._encoder_config())
            encoder.load_state_dict(state)
            model.encoders.append(encoder.eval())

        model._members = Members(model.encoders).frozen()
        model.calibration = Calibration.from_dict(config["calibration"])
        model.step_calibrations = [
            Calibration.from_dict(fields) for fields in config.get("step_calibrations", [])
        ]
        model.trained_on = config["trained_on"]
        return model

    def _initial_members(self, progress: Progress) -> list[Encoder]:
        """Return the members before training: random, transferred or pre-trained."""
        members = []
        for member in range(self.members):
            # Each member has its own seed, so that it does not depend on their number.
            torch.default_generator.manual_seed((self.seed << 16) + member)
            encoder = encoder_class(self.encoder).from_space(self.space, **self._encoder_config())
            members.append(encoder.train())

        if self.source is not None:
            transfer(self.source.encoders, self.source.space, members, self.space)
        settings = self.fitting, self.seed, progress
        if self.columns is not None:
            self.columns.teach(members, self.space, *settings)
        elif self.pretraining:
            num_features = len(self.auxiliary.maps)
            pretrain_on_macs(members, self.space, self.pretraining, *settings, num_features)
        return members

    def _identity(self, codes: Codes) -> str:
        """Return everything but the settings of `Training` that its result depends on, as JSON."""
        columns = {name: scores.values.tolist() for name, scores in self.auxiliary.maps.items()}
        identity = [
            self.space.name,
            self.encoder,
            self.config,
            self.pretraining,
            columns,
            codes.tolist(),
        ]

        if self.source is not None:
            identity.append(self.source.digest())
        if self.columns is not None:
            learned = self.columns.codes.tobytes() + self.columns.values.tobytes()
            identity.append(hashlib.sha256(learned).hexdigest())

        return json.dumps(identity)

    def _encoder_config(self) -> dict[str, Any]:
        num_columns = len(self.auxiliary.maps)
        if not num_columns:
            return self.config
        return {**self.config, encoder_class(self.encoder).auxiliary: num_columns}

    def _inputs(self, codes: Codes) -> Any:
        """Return the encoder's inputs of architectures, with their auxiliary features."""
        inputs = encoder_class(self.encoder).inputs(self.space, np.asfortranarray(codes))
        if not self.auxiliary.maps:
            return inputs
        features = self.auxiliary.at_positions(codes, self.space.positions)
        return inputs.with_features(torch.from_numpy(features).float())


def _normal_scores(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal scores of values [n] or of each column of values [n, steps]."""
    if targets.ndim == 1:
        return NormalScores.from_values(targets).to_scores(targets)
    return np.stack([_normal_scores(column) for column in targets.T], axis=1)
