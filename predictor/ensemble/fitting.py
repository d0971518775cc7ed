"""Training of an ensemble's members side by side, which can be interrupted and goes on."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predictor.encoders.base import Encoder
from predictor.ensemble.losses import anytime
from predictor.ensemble.losses import loss as loss_of
from predictor.ensemble.members import Members, taken
from predictor.ensemble.training_state import TrainingState
from predictor.metrics import kendall_tau
from spaces.progress import Progress

_EVERY = 10  # epochs between two looks at the part left out
_ENOUGH = 16  # architectures left out, for their ranking to say when to stop
_SECONDS = 2.0  # between two writings of the state


@dataclass(frozen=True)
class Fitting:
    """How the members are trained: Adam with a cosine schedule.

    Args:
        epochs: passes over a member's training part, at most.
        steps: with more data there are fewer epochs, so many that they hold about so many steps ...
        least_epochs: ... but at least so many.
        batch_size: architectures a step.
        learning_rate: at the start.
        weight_decay: of Adam.
        loss: see `predictor.ensemble.losses`.
        patience: stop after so many epochs without a better ranking of the part left out, and keep
            the best.
    """

    epochs: int = 200
    steps: int = 500
    least_epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    loss: str = "hinge"
    patience: int = 80

    def epochs_of(self, count: int) -> int:
        """How many epochs `count` architectures are passed over."""
        each = len(batches(torch.zeros(1, count), self.batch_size))
        return min(self.epochs, max(math.ceil(self.steps / each), self.least_epochs))


class Training:
    """Trains the members of an ensemble, each on its own part of the data.

    The members take their steps at the same time, on batches of equal size: where their parts
    differ in size, a member leaves out, at random and each epoch anew, what it has more than the
    smallest part. What a member learns depends on no other member, but for the drawing of random
    numbers.

    Args:
        encoders: the members with fresh weights.
        inputs: of all training architectures, as the encoders take them.
        targets: [n], greater is better.
        fold: the member that leaves an architecture out, int array [n].
        fitting: how they are trained.
        seed: of batches, pairs and dropout.
        path: where the state is kept while the training lasts; None: nowhere.
        identity: what else tells this training from others whose state may lie there.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        inputs: Any,
        targets: NDArray[np.float64],
        fold: NDArray[np.int64],
        fitting: Fitting,
        seed: int,
        path: Path | None = None,
        identity: str = "",
    ):
        self.members, self.inputs, self.fitting, self.seed = (
            Members(encoders),
            inputs,
            fitting,
            seed,
        )
        self.values = torch.from_numpy(targets).float()
        self.parts = [
            torch.from_numpy(np.flatnonzero(fold != member)) for member in range(len(encoders))
        ]
        self.left_out = [np.flatnonzero(fold == member) for member in range(len(encoders))]
        self.targets = targets
        self.loss, self.anytime = loss_of(fitting.loss), encoders[0].anytime
        self.draws = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.Adam(
            self.members.weights.values(),
            lr=fitting.learning_rate,
            weight_decay=fitting.weight_decay,
            fused=True,
        )
        self.best = {name: stack.detach().clone() for name, stack in self.members.weights.items()}
        self.best_tau, self.best_epoch = [-2.0] * len(encoders), [0] * len(encoders)
        self.stopped = [False] * len(encoders)
        self.epoch, self.epochs = 0, fitting.epochs_of(min(map(len, self.parts)))
        told = json.dumps([identity, asdict(fitting), seed, len(encoders)]).encode()
        digest = hashlib.sha256(
            told + targets.tobytes() + fold.astype(np.int64).tobytes()
        ).hexdigest()
        self.state = TrainingState(path, digest)

    def run(self, progress: Progress) -> Members:
        """Train to the end, from where the state's file stands; the members, each at its best
        epoch.
        """
        self._resume()
        written = -math.inf
        self.members.train()
        while not self.done:
            self._train_one_epoch()
            if self.epoch % _EVERY == 0 or self.epoch == self.epochs:
                self._look()
                if self.state.path is not None and (
                    self.done or time.monotonic() - written >= _SECONDS
                ):
                    self.state.write(*self._snapshot())
                    written = time.monotonic()
            share = 1.0 if self.done else self.epoch / self.epochs
            progress(share, f"epoch {self.epoch} of at most {self.epochs}")
        if self.looking:
            self._load(self.best)
        return self.members.frozen()

    @property
    def looking(self) -> bool:
        """Whether enough architectures are left out to say when to stop."""
        return min(map(len, self.left_out)) >= _ENOUGH

    @property
    def done(self) -> bool:
        """Whether every epoch is over, or every member stopped."""
        return self.epoch >= self.epochs or all(self.stopped)

    def _train_one_epoch(self) -> None:
        rate = self.fitting.learning_rate * (1 + math.cos(math.pi * self.epoch / self.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        smallest = min(map(len, self.parts))
        orders = [
            part[torch.randperm(len(part), generator=self.draws)[:smallest]] for part in self.parts
        ]
        for rows in batches(torch.stack(orders), self.fitting.batch_size):
            losses = self._losses(taken(self.inputs, rows), self.values[rows])
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(losses.sum())
            self.optimizer.step()
        self.epoch += 1

    def _losses(self, inputs: Any, values: Tensor) -> Tensor:
        if self.anytime:
            scores = self.members(inputs, apart=True, every_step=True)
            return anytime(self.loss, scores, values, self.draws)
        return self.loss(self.members(inputs, apart=True), values, self.draws)

    @torch.no_grad()
    def _look(self) -> None:
        if not self.looking:
            return
        self.members.train(False)
        longest = max(map(len, self.left_out))
        rows = torch.from_numpy(np.stack([np.resize(part, longest) for part in self.left_out]))
        scores = self.members(taken(self.inputs, rows), apart=True).double().numpy()
        self.members.train()
        for member, part in enumerate(self.left_out):
            tau = kendall_tau(scores[member, : len(part)], self.targets[part])
            if self.stopped[member]:
                continue
            if tau > self.best_tau[member]:
                self.best_tau[member], self.best_epoch[member] = tau, self.epoch
                for name, stack in self.members.weights.items():
                    self.best[name][member] = stack[member]
            self.stopped[member] = self.epoch - self.best_epoch[member] >= self.fitting.patience

    def _load(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, stack in self.members.weights.items():
                stack.copy_(weights[name])

    def _snapshot(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        figures = {
            "epoch": self.epoch,
            "best_tau": self.best_tau,
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
        }
        tensors = {
            **{f"weights.{name}": stack.detach() for name, stack in self.members.weights.items()},
            **{f"best.{name}": stack for name, stack in self.best.items()},
            "draws": self.draws.get_state(),
            "dropout": torch.default_generator.get_state(),
        }
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors.update({f"adam.{index}.{name}": value for name, value in state.items()})
        return figures, tensors

    def _resume(self) -> None:
        found = self.state.read()
        if found is None:
            return
        figures, tensors = found
        self.epoch, self.stopped = figures["epoch"], figures["stopped"]
        self.best_tau, self.best_epoch = figures["best_tau"], figures["best_epoch"]
        self._load(_below("weights.", tensors))
        self.best = _below("best.", tensors)
        self.draws.set_state(tensors["draws"])
        torch.default_generator.set_state(tensors["dropout"])
        whole = self.optimizer.state_dict()
        count = len(whole["param_groups"][0]["params"])
        whole["state"] = {index: _below(f"adam.{index}.", tensors) for index in range(count)}
        self.optimizer.load_state_dict(whole)


def batches(order: Tensor, size: int) -> list[Tensor]:
    """Rows [members, n] in parts of `size`; a last one of less than half joins the one before: it
    has hardly a pair.
    """
    parts = list(torch.split(order, size, dim=1))
    if len(parts) > 1 and parts[-1].shape[1] < size // 2:
        last = parts.pop()
        parts[-1] = torch.cat([parts[-1], last], dim=1)
    return parts


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
