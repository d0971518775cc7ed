"""GraphPredictor: an ensemble of graph encoders trained to rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.base import Predictor, Progress, require, training_data
from predictor.calibration import Calibration
from predictor.encoders.gates import GatesEncoder
from predictor.file import write
from predictor.losses import pairwise_hinge
from spaces.modules.threads import fixed_threads
from spaces.space import Architectures, Codes, SearchSpace

_PREDICT_BATCH = 2048
_REFERENCE = 1024  # architectures that members' scores are standardised on


@dataclass(frozen=True)
class Fitting:
    """How the members are trained: Adam with a cosine schedule on the pairwise hinge loss.

    Args:
        epochs: passes over a member's training part.
        batch_size: graphs a step.
        learning_rate: at the start.
        weight_decay: of Adam.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5


class GraphPredictor(Predictor):
    """An ensemble of GATES encoders.

    Each member leaves out one fold of the training data, so that every architecture has a score by a member that did
    not see it; the calibration is fitted on those.

    Args:
        space: whose architectures.
        seed: of weights, batches, pairs and dropout.
        members: of the ensemble, at least 2.
        fitting: how they are trained.
        config: arguments of `GatesEncoder` that differ from its defaults.
    """

    kind = "gates"

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        members: int = 4,
        fitting: Fitting | None = None,
        config: Mapping[str, Any] | None = None,
    ):
        super().__init__(space, seed)
        self.members, self.fitting, self.config = members, fitting or Fitting(), dict(config or {})
        self.encoders: list[GatesEncoder] = []
        self.calibration: Calibration | None = None

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Mapping[str, NDArray[np.floating[Any]]] | None = None,
        progress: Progress = lambda share, text: None,
    ) -> None:
        """Train the ensemble and calibrate it; `auxiliary` is not used by this predictor."""
        codes, known = training_data(self.space, architectures, values)
        fold = np.random.default_rng(self.seed).permutation(len(codes)) % self.members
        scores = np.empty(len(codes))
        self.encoders = []
        for member in range(self.members):
            inside = fold != member
            encoder = self._train(member, codes[inside], known[inside], progress)
            self.encoders.append(encoder)
            scores[~inside] = _scores(encoder, self.space, codes[~inside])
        sample = self.space.sample(np.random.default_rng(self.seed), _REFERENCE)
        reference = np.stack([_scores(encoder, self.space, sample) for encoder in self.encoders])
        self.calibration = Calibration.fit(scores, known, fold, reference)
        self.trained_on = {"architectures": len(codes)}

    def predict(self, architectures: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of architectures (or codes [n, choices]), in the unit of the values."""
        require(self.calibration is not None)
        assert self.calibration is not None
        codes = self.space.codes(architectures)
        return self.calibration.apply(np.stack([_scores(encoder, self.space, codes) for encoder in self.encoders]))

    def save(self, path: str | Path) -> None:
        """Write the fitted predictor as one safetensors file, all or nothing."""
        require(self.calibration is not None)
        assert self.calibration is not None
        config = {
            "kind": self.kind,
            "space": self.space.name,
            "seed": self.seed,
            "members": self.members,
            "fitting": asdict(self.fitting),
            "encoder": self.config,
            "calibration": self.calibration.to_dict(),
            "trained_on": dict(self.trained_on),
        }
        tensors = {
            f"{member}.{name}": tensor
            for member, encoder in enumerate(self.encoders)
            for name, tensor in encoder.state_dict().items()
        }
        write(path, config, tensors)

    @classmethod
    def from_state(cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> GraphPredictor:
        """The predictor of what `save` wrote."""
        found = cls(space, config["seed"], config["members"], Fitting(**config["fitting"]), config["encoder"])
        for member in range(found.members):
            prefix = f"{member}."
            state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            encoder = found._encoder()
            encoder.load_state_dict(state)
            found.encoders.append(encoder.eval())
        found.calibration = Calibration(**config["calibration"])
        found.trained_on = config["trained_on"]
        return found

    def _encoder(self) -> GatesEncoder:
        return GatesEncoder(len(self.space.operations), self.space.positions, **self.config)

    def _train(self, member: int, codes: Codes, values: NDArray[np.float64], progress: Progress) -> GatesEncoder:
        fitting = self.fitting
        generator = torch.Generator().manual_seed((self.seed << 16) + member)
        targets = torch.from_numpy(values)
        # Initialisation and dropout take no generator of their own.
        # One thread: on such small graphs a second gains little, and where another process works threads wait for it.
        with torch.random.fork_rng(devices=[]), fixed_threads(1):
            torch.default_generator.manual_seed((self.seed << 16) + member)
            encoder = self._encoder().train()
            optimizer = torch.optim.Adam(
                encoder.parameters(), lr=fitting.learning_rate, weight_decay=fitting.weight_decay
            )
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, fitting.epochs)
            for epoch in range(fitting.epochs):
                for part in _batches(len(codes), fitting.batch_size, generator):
                    graphs = self.space.graphs(np.asfortranarray(codes[part.numpy()]))
                    loss = pairwise_hinge(encoder(graphs), targets[part], generator)
                    optimizer.zero_grad(set_to_none=True)
                    torch.autograd.backward(loss)
                    optimizer.step()
                schedule.step()
                progress((member + (epoch + 1) / fitting.epochs) / self.members, f"member {member + 1}/{self.members}")
        return encoder.eval()


def _batches(count: int, size: int, generator: torch.Generator) -> list[Tensor]:
    order = torch.randperm(count, generator=generator)
    parts = list(torch.split(order, size))
    # A last batch of a few graphs has hardly a pair; it joins the one before.
    if len(parts) > 1 and len(parts[-1]) < size // 2:
        last = parts.pop()
        parts[-1] = torch.cat([parts[-1], last])
    return parts


@torch.inference_mode()
def _scores(encoder: GatesEncoder, space: SearchSpace, codes: Codes) -> NDArray[np.float64]:
    parts = [
        encoder(space.graphs(np.asfortranarray(codes[start : start + _PREDICT_BATCH]))).double().numpy()
        for start in range(0, len(codes), _PREDICT_BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty(0)
