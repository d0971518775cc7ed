"""A fitted ensemble: trained members and the calibration of their scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.auxiliary import AuxiliaryFeatures
from predictor.encoders.base import Encoder
from predictor.encoders.registry import encoder_class
from predictor.ensemble.calibration import Calibration
from predictor.ensemble.encoding import Encoding
from predictor.ensemble.members import Members
from predictor.errors import NotRelaxable
from predictor.serialization import with_prefix
from spaces.space import Codes, SearchSpace

# Architectures whose scores set the origin and the scale of each member's scores.
_REFERENCE_SIZE = 1024


@dataclass(frozen=True)
class FittedEnsemble:
    """Members that score architectures, and the map from their scores to values.

    Args:
        encoding: Encoder of the members.
        members: The members, without dropout.
        encoders: The members as separate encoders.
        calibration: Map from the scores of the last step to values.
        step_calibrations: Maps of the steps before the last, where each step was taught values of
            its own.
    """

    encoding: Encoding
    members: Members
    encoders: Sequence[Encoder]
    calibration: Calibration
    step_calibrations: Sequence[Calibration] = ()

    @classmethod
    def calibrate(
        cls,
        encoding: Encoding,
        members: Members,
        codes: Codes,
        values: NDArray[np.float64],
        fold: NDArray[np.int64],
        seed: int,
    ) -> FittedEnsemble:
        """Calibrate trained members on the scores of the architectures that each left out.

        Args:
            encoding: Encoder of the members.
            members: Trained members, without dropout.
            codes: Codes of the training data, [n, choices].
            values: Their values, [n] or [n, steps].
            fold: The member that left out each architecture, [n].
            seed: Seed of the architectures that set the scale of the scores.
        """
        space = encoding.space
        # Auxiliary columns may be unknown of architectures outside the training data.
        sample = space.sample(np.random.default_rng(seed), _REFERENCE_SIZE)
        reference_codes = codes if encoding.auxiliary.maps else sample

        def fit(targets: NDArray[np.float64], step: int | None = None) -> Calibration:
            # Each architecture's score by the member that left it out.
            scores = members.scores(encoding.inputs, codes, step)[fold, np.arange(len(codes))]
            reference = members.scores(encoding.inputs, reference_codes, step)
            return Calibration.fit(scores, targets, fold, reference)

        *earlier, last = values.T if values.ndim == 2 else values[None]
        steps = [fit(targets, step) for step, targets in enumerate(earlier)]
        return cls(encoding, members, members.encoders(), fit(last), steps)

    def predict(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict mean [n] and deviation [n] of architectures with codes [n, choices]."""
        return self.calibration.apply(self.members.scores(self.encoding.inputs, codes))

    def predict_steps(self, codes: Codes) -> NDArray[np.float64]:
        """Predict the means [n, steps] of every step of architectures with codes [n, choices]."""
        last, _ = self.predict(codes)
        columns = [
            calibration.apply(self.members.scores(self.encoding.inputs, codes, step))[0]
            for step, calibration in enumerate(self.step_calibrations)
        ]
        return np.stack([*columns, last], axis=1)

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Predict distributions over candidates [n]; see `Predictor.score_relaxed`."""
        from predictor.encoders.gates import GatesEncoder
        from predictor.encoders.relaxed import relaxed_graphs

        encoder = self.encoding.encoder
        if encoder_class(encoder) is not GatesEncoder:
            raise NotRelaxable(
                f"relaxed architectures are scored by the encoder gates, not by {encoder}"
            )

        scores = self.members(relaxed_graphs(self.encoding.space, probabilities))
        return self.calibration.relaxed_mean(scores)

    def digest(self) -> str:
        """Return the SHA-256 of the members' weights."""
        digest = hashlib.sha256()
        for encoder in self.encoders:
            for tensor in encoder.state_dict().values():
                digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the config and the tensors for `from_state`."""
        auxiliary = self.encoding.auxiliary
        config: dict[str, Any] = {
            "encoder": self.encoding.encoder,
            "encoder_version": encoder_class(self.encoding.encoder).version,
            "config": self.encoding.config,
            "auxiliary": list(auxiliary.maps),
            "calibration": self.calibration.to_dict(),
        }
        if self.step_calibrations:
            config["step_calibrations"] = [item.to_dict() for item in self.step_calibrations]

        tensors = {
            f"{member}.{name}": tensor
            for member, encoder in enumerate(self.encoders)
            for name, tensor in encoder.state_dict().items()
        }
        for name, array in auxiliary.arrays().items():
            tensors[name] = torch.from_numpy(array)

        return config, tensors

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> FittedEnsemble:
        """Rebuild an ensemble of `config["members"]` members from what `state` returned."""
        # Files from before versions were recorded have version 1.
        earlier = encoder_class(config["encoder"]).earlier_config(
            config.get("encoder_version", 1), space
        )
        arrays = {
            name: value.numpy() for name, value in tensors.items() if name.startswith("auxiliary")
        }
        encoding = Encoding(
            space,
            config["encoder"],
            # Defaults of the encoder's version in which the file was written.
            {**earlier, **config["config"]},
            AuxiliaryFeatures.from_arrays(config["auxiliary"], arrays),
        )

        encoders = []
        for member in range(config["members"]):
            # The initial weights are replaced at once; loading must not advance torch's generator.
            with torch.random.fork_rng(devices=[]):
                encoder = encoding.new_encoder()
            encoder.load_state_dict(with_prefix(f"{member}.", tensors))
            encoders.append(encoder.eval())

        return cls(
            encoding,
            Members(encoders).frozen(),
            encoders,
            Calibration.from_dict(config["calibration"]),
            [Calibration.from_dict(fields) for fields in config.get("step_calibrations", [])],
        )
