"""GraphPredictor: an ensemble of encoders trained to rank."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
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
from predictor.ensemble.calibration import Calibration
from predictor.ensemble.fitting import Fitting as Fitting
from predictor.ensemble.fitting import Training
from predictor.ensemble.members import Members
from predictor.ensemble.transfer import transfer
from predictor.ranks import NormalScores
from predictor.serialization import write
from spaces.progress import Progress, silent
from spaces.space import Architectures, Codes, SearchSpace
from spaces.threads import fixed_threads

_REFERENCE = 1024  # architectures that members' scores are standardised on
_PRETRAINING_EPOCHS = 20


class GraphPredictor(Predictor):
    """An ensemble of encoders.

    Each member leaves out one fold of the training data, so that every architecture has a score by
    a member that did not see it; the calibration is fitted on those.

    Args:
        space: whose architectures.
        seed: of weights, batches, pairs and dropout.
        members: of the ensemble, at least 2.
        fitting: how they are trained.
        encoder: its name; see `predictor.encoders.registry`.
        config: arguments of the encoder that differ from its defaults.
        pretraining: Number of random architectures whose multiply-accumulates, which cost nothing
            to compute, are learned before the values; only the heads are then initialised again.
        source: Fitted predictor of another space with the same encoder, whose weights and sizes
            the members begin with. None: they begin with random weights.

    Raises:
        NotFitted: `source` is not fitted.
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
        pretraining: int = 0,
        source: GraphPredictor | None = None,
    ):
        super().__init__(space, seed)
        self.members = members
        self.fitting = fitting or Fitting()
        self.encoder = encoder
        self.config = dict(config or {})
        self.pretraining = pretraining
        self.source = source
        if source is not None:
            require(source.calibration is not None)
            self.config |= source.encoders[0].sizes()

        self.encoders: list[Encoder] = []
        self._members: Members
        self.auxiliary = AuxiliaryFeatures({})
        self.calibration: Calibration | None = None

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
            architectures: Training data, n distinct architectures or codes [n, choices].
            values: Their values [n]; greater is better.
            auxiliary: One further feature of every operation for encoders that take such, the
                zero-cost features of TA-GATES; a column may then have one number for each position,
                [n, positions]. Other encoders ignore it.
            progress: Receives the fraction done and a text after every epoch.
            checkpoint: File of the training's state: written while the training lasts, and read
                when an interrupted one is repeated. None: no state is written.
        """
        codes, known = training_data(self.space, architectures, values)
        fold = np.random.default_rng(self.seed).permutation(len(codes)) % self.members
        targets = NormalScores.of(known).to_scores(known)
        kind = encoder_class(self.encoder)
        self.auxiliary = AuxiliaryFeatures.of(
            auxiliary if kind.auxiliary else None, codes, self.space.positions
        )
        # One thread: on such small graphs a second gains little, and where another process works
        # threads wait for it.
        with torch.random.fork_rng(devices=[]), fixed_threads(1):
            fresh = []
            for member in range(self.members):
                torch.default_generator.manual_seed((self.seed << 16) + member)
                fresh.append(kind.of(self.space, **self._config()).train())
            if self.source is not None:
                transfer(self.source.encoders, self.source.space, fresh, self.space)
            if self.pretraining:
                self._pretrain(fresh, progress)
            inputs = self._inputs(codes)
            columns = {name: scores.values.tolist() for name, scores in self.auxiliary.maps.items()}
            given = [
                self.space.name,
                self.encoder,
                self.config,
                self.pretraining,
                columns,
                codes.tolist(),
            ]
            if self.source is not None:
                given.append(self.source.digest())
            identity = json.dumps(given)
            training = Training(
                fresh, inputs, targets, fold, self.fitting, self.seed, checkpoint, identity
            )
            members = training.run(progress)
            scores = members.scores(self._inputs, codes)[fold, np.arange(len(codes))]
            # Columns may be known of no others.
            sample = self.space.sample(np.random.default_rng(self.seed), _REFERENCE)
            reference = members.scores(self._inputs, codes if self.auxiliary.maps else sample)
        self.encoders, self._members = members.encoders(), members
        self.calibration = Calibration.fit(scores, known, fold, reference)
        self.trained_on = {"architectures": len(codes)}
        if self.source is not None:
            self.trained_on["transferred_from"] = {
                "space": self.source.space.name,
                **self.source.trained_on,
            }

    def predict(
        self, architectures: Architectures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of architectures (or codes [n, choices]), in the unit of the
        values.
        """
        require(self.calibration is not None)
        assert self.calibration is not None
        codes = self.space.codes(architectures)
        return self.calibration.apply(self._members.scores(self._inputs, codes))

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The mean prediction [n] of distributions over candidates, differentiable; see
        `Predictor.score_relaxed`.
        """
        from predictor.encoders.gates import GatesEncoder
        from predictor.encoders.relaxed import relaxed_graphs
        from predictor.errors import NotRelaxable

        require(self.calibration is not None)
        assert self.calibration is not None
        if encoder_class(self.encoder) is not GatesEncoder:
            raise NotRelaxable(
                f"relaxed architectures are scored by the encoder gates, not by {self.encoder}"
            )
        return self.calibration.mean_of(self._members(relaxed_graphs(self.space, probabilities)))

    def digest(self) -> str:
        """SHA-256 of the members' weights."""
        found = hashlib.sha256()
        for encoder in self.encoders:
            for tensor in encoder.state_dict().values():
                found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing."""
        write(path, *self.state())

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Config and tensors that `from_state` takes; raises NotFitted."""
        require(self.calibration is not None)
        assert self.calibration is not None
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "members": self.members,
            "fitting": asdict(self.fitting),
            "encoder": self.encoder,
            "config": self.config,
            "pretraining": self.pretraining,
            "auxiliary": list(self.auxiliary.maps),
            "calibration": self.calibration.to_dict(),
            "trained_on": dict(self.trained_on),
        }
        tensors = {
            f"{member}.{name}": tensor
            for member, encoder in enumerate(self.encoders)
            for name, tensor in encoder.state_dict().items()
        }
        for index, scores in enumerate(self.auxiliary.maps.values()):
            tensors[f"auxiliary.{index}.scores"] = torch.from_numpy(scores.scores)
            tensors[f"auxiliary.{index}.values"] = torch.from_numpy(scores.values)
        return config, tensors

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> GraphPredictor:
        """The predictor of what `save` wrote."""
        fitting = Fitting(**config["fitting"])
        shape = config["encoder"], config["config"], config["pretraining"]
        found = cls(space, config["seed"], config["members"], fitting, *shape)
        maps = {
            name: NormalScores(
                *(tensors[f"auxiliary.{index}.{part}"].numpy() for part in ("scores", "values"))
            )
            for index, name in enumerate(config["auxiliary"])
        }
        found.auxiliary = AuxiliaryFeatures(maps)
        for member in range(found.members):
            prefix = f"{member}."
            state = {
                name.removeprefix(prefix): value
                for name, value in tensors.items()
                if name.startswith(prefix)
            }
            # The initial weights are drawn and replaced, but for none may torch's own generator
            # move.
            with torch.random.fork_rng(devices=[]):
                encoder = encoder_class(found.encoder).of(space, **found._config())
            encoder.load_state_dict(state)
            found.encoders.append(encoder.eval())
        found._members = Members(found.encoders).frozen()
        found.calibration = Calibration.from_dict(config["calibration"])
        found.trained_on = config["trained_on"]
        return found

    def _pretrain(self, members: Sequence[Encoder], progress: Progress) -> None:
        codes = self.space.sample(np.random.default_rng([self.seed, 1]), self.pretraining)
        macs = self.space.macs(codes).astype(np.float64)
        epochs = min(_PRETRAINING_EPOCHS, self.fitting.epochs)
        fitting = replace(self.fitting, epochs=epochs, least_epochs=epochs)
        inputs = encoder_class(self.encoder).inputs(self.space, np.asfortranarray(codes))
        if self.auxiliary.maps:
            inputs = inputs.with_features(
                torch.zeros(len(codes), self.space.positions, len(self.auxiliary.maps))
            )
        fold = np.arange(len(codes)) % len(members)
        training = Training(
            members, inputs, NormalScores.of(macs).to_scores(macs), fold, fitting, self.seed
        )
        trained = training.run(
            lambda share, text: progress(0.0, f"pre-training, {text}")
        ).encoders()
        for member, found in zip(members, trained, strict=True):
            kept = {
                name: value
                for name, value in found.state_dict().items()
                if not name.startswith("head")
            }
            member.load_state_dict(kept, strict=False)

    def _config(self) -> dict[str, Any]:
        columns = len(self.auxiliary.maps)
        return (
            {**self.config, encoder_class(self.encoder).auxiliary: columns}
            if columns
            else self.config
        )

    def _inputs(self, codes: Codes) -> Any:
        inputs = encoder_class(self.encoder).inputs(self.space, np.asfortranarray(codes))
        if not self.auxiliary.maps:
            return inputs
        features = self.auxiliary.at_positions(codes, self.space.positions)
        return inputs.with_features(torch.from_numpy(features).float())
