"""GraphPredictor: an ensemble of encoders trained to rank."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.base import Auxiliary, Predictor, Progress, require, training_data
from predictor.calibration import Calibration
from predictor.encoders.base import Encoder
from predictor.encoders.registry import encoder_class
from predictor.file import write
from predictor.losses import loss as loss_of
from predictor.metrics import kendall_tau
from predictor.ranks import NormalScores
from spaces.modules.threads import fixed_threads
from spaces.space import Architectures, Codes, SearchSpace

_PREDICT_BATCH = 2048
_REFERENCE = 1024  # architectures that members' scores are standardised on
_EVERY = 10  # epochs between two looks at the part left out
_ENOUGH = 16  # architectures left out, for their ranking to say when to stop


@dataclass(frozen=True)
class Fitting:
    """How the members are trained: Adam with a cosine schedule.

    Args:
        epochs: passes over a member's training part.
        batch_size: architectures a step.
        learning_rate: at the start.
        weight_decay: of Adam.
        loss: see `predictor.losses`.
        patience: stop after so many epochs without a better ranking of the part left out, and keep the best.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5
    loss: str = "hinge"
    patience: int = 40


class GraphPredictor(Predictor):
    """An ensemble of encoders.

    Each member leaves out one fold of the training data, so that every architecture has a score by a member that did
    not see it; the calibration is fitted on those.

    Args:
        space: whose architectures.
        seed: of weights, batches, pairs and dropout.
        members: of the ensemble, at least 2.
        fitting: how they are trained.
        encoder: its name; see `predictor.encoders.registry`.
        config: arguments of the encoder that differ from its defaults.
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
    ):
        super().__init__(space, seed)
        self.members, self.fitting, self.config = members, fitting or Fitting(), dict(config or {})
        self.encoder = encoder
        self.encoders: list[Encoder] = []
        self.calibration: Calibration | None = None
        self.left_out: NDArray[np.float64] | None = None
        """Calibrated predictions of the training data by the members that did not see them, [n]; not saved."""

    def fit(
        self,
        architectures: Architectures,
        values: Sequence[float] | NDArray[np.floating[Any]],
        auxiliary: Auxiliary | None = None,
        progress: Progress = lambda share, text: None,
    ) -> None:
        """Train the ensemble and calibrate it; `auxiliary` is not used by this predictor."""
        codes, known = training_data(self.space, architectures, values)
        fold = np.random.default_rng(self.seed).permutation(len(codes)) % self.members
        targets = NormalScores.of(known).to_scores(known)
        scores = np.empty(len(codes))
        encoders: list[Encoder] = []
        for member in range(self.members):
            inside = fold != member

            def told(share: float, member: int = member) -> None:
                progress((member + share) / self.members, f"member {member + 1}/{self.members}")

            encoder = self._train(member, codes, targets, inside, told)
            encoders.append(encoder)
            scores[~inside] = _scores(encoder, self.space, codes[~inside])
        sample = self.space.sample(np.random.default_rng(self.seed), _REFERENCE)
        reference = np.stack([_scores(encoder, self.space, sample) for encoder in encoders])
        self.encoders, self.calibration = encoders, Calibration.fit(scores, known, fold, reference)
        self.left_out = self.calibration.of_members(scores, fold)
        self.trained_on = {"architectures": len(codes)}

    def predict(self, architectures: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean [n] and deviation [n] of architectures (or codes [n, choices]), in the unit of the values."""
        require(self.calibration is not None)
        assert self.calibration is not None
        codes = self.space.codes(architectures)
        return self.calibration.apply(np.stack([_scores(encoder, self.space, codes) for encoder in self.encoders]))

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """The mean prediction [n] of distributions over candidates, differentiable; see `Predictor.score_relaxed`."""
        from predictor.encoders.gates import GatesEncoder
        from predictor.encoders.relaxed import relaxed_graphs
        from predictor.errors import NotRelaxable

        require(self.calibration is not None)
        assert self.calibration is not None
        graphs = relaxed_graphs(self.space, probabilities)
        scores = []
        for encoder in self.encoders:
            if not isinstance(encoder, GatesEncoder):
                raise NotRelaxable(f"relaxed architectures are scored by the encoder gates, not by {self.encoder}")
            scores.append(encoder.soft(*graphs))
        return self.calibration.mean_of(torch.stack(scores))

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
            "calibration": self.calibration.to_dict(),
            "trained_on": dict(self.trained_on),
        }
        tensors = {
            f"{member}.{name}": tensor
            for member, encoder in enumerate(self.encoders)
            for name, tensor in encoder.state_dict().items()
        }
        return config, tensors

    @classmethod
    def from_state(cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> GraphPredictor:
        """The predictor of what `save` wrote."""
        fitting = Fitting(**config["fitting"])
        found = cls(space, config["seed"], config["members"], fitting, config["encoder"], config["config"])
        for member in range(found.members):
            prefix = f"{member}."
            state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            # The initial weights are drawn and replaced, but for none may torch's own generator move.
            with torch.random.fork_rng(devices=[]):
                encoder = encoder_class(found.encoder).of(space, **found.config)
            encoder.load_state_dict(state)
            found.encoders.append(encoder.eval())
        found.calibration = Calibration(**config["calibration"])
        found.trained_on = config["trained_on"]
        return found

    def _train(
        self,
        member: int,
        codes: Codes,
        targets: NDArray[np.float64],
        inside: NDArray[np.bool_],
        told: Callable[[float], None],
    ) -> Encoder:
        fitting, kind = self.fitting, encoder_class(self.encoder)
        loss_function = loss_of(fitting.loss)
        generator = torch.Generator().manual_seed((self.seed << 16) + member)
        rows, values = np.flatnonzero(inside), torch.from_numpy(targets[inside]).float()
        best, best_state, best_epoch = -2.0, None, 0
        # Initialisation and dropout take no generator of their own.
        # One thread: on such small graphs a second gains little, and where another process works threads wait for it.
        with torch.random.fork_rng(devices=[]), fixed_threads(1):
            torch.default_generator.manual_seed((self.seed << 16) + member)
            encoder = kind.of(self.space, **self.config).train()
            optimizer = torch.optim.Adam(
                encoder.parameters(), lr=fitting.learning_rate, weight_decay=fitting.weight_decay
            )
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, fitting.epochs)
            for epoch in range(1, fitting.epochs + 1):
                for part in _batches(len(rows), fitting.batch_size, generator):
                    inputs = kind.inputs(self.space, np.asfortranarray(codes[rows[part.numpy()]]))
                    loss = loss_function(encoder(inputs), values[part], generator)
                    optimizer.zero_grad(set_to_none=True)
                    torch.autograd.backward(loss)
                    optimizer.step()
                schedule.step()
                told(epoch / fitting.epochs)
                if (~inside).sum() >= _ENOUGH and (epoch % _EVERY == 0 or epoch == fitting.epochs):
                    found = kendall_tau(_scores(encoder.eval(), self.space, codes[~inside]), targets[~inside])
                    encoder.train()
                    if found > best:
                        best, best_state, best_epoch = found, copy.deepcopy(encoder.state_dict()), epoch
                    elif epoch - best_epoch >= fitting.patience:
                        told(1.0)
                        break
        if best_state is not None:
            encoder.load_state_dict(best_state)
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
def _scores(encoder: Encoder, space: SearchSpace, codes: Codes) -> NDArray[np.float64]:
    parts = [
        encoder(encoder.inputs(space, np.asfortranarray(codes[start : start + _PREDICT_BATCH]))).double().numpy()
        for start in range(0, len(codes), _PREDICT_BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty(0)
