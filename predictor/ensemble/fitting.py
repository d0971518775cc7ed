"""Simultaneous training of an ensemble's members, which resumes after an interruption."""

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
from predictor.ensemble.losses import loss as make_loss
from predictor.ensemble.members import Members, select
from predictor.ensemble.training_state import TrainingState
from predictor.metrics import kendall_tau
from predictor.serialization import with_prefix
from spaces.progress import Progress

# Epochs between two validations on the architectures left out.
_VALIDATE_EVERY = 10
# Fewest architectures left out whose ranking decides when to stop.
_MIN_LEFT_OUT = 16
# Least seconds between two writings of the state.
_WRITE_SECONDS = 2.0


@dataclass(frozen=True)
class Fitting:
    """Settings of the training of the members: Adam with a cosine schedule.

    Args:
        epochs: Most passes over a member's training data.
        steps: Number of steps that the epochs hold about, where this needs fewer than `epochs`.
        least_epochs: Fewest epochs, however many steps they hold.
        batch_size: Architectures per step.
        learning_rate: Initial learning rate.
        weight_decay: Weight decay of Adam.
        loss: Name of the loss; see `predictor.ensemble.losses`.
        patience: Epochs without a better ranking of the architectures left out after which a member
            stops. Its best weights are used.
    """

    epochs: int = 200
    steps: int = 500
    least_epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    loss: str = "hinge"
    patience: int = 80

    def num_epochs(self, count: int) -> int:
        """Return the number of epochs for `count` training architectures."""
        steps_per_epoch = len(batches(torch.zeros(1, count), self.batch_size))
        return min(self.epochs, max(math.ceil(self.steps / steps_per_epoch), self.least_epochs))


class Training:
    """Trains the members of an ensemble, each on its own part of the data.

    The members take their steps at the same time, on batches of equal size: where their parts
    differ in size, a member leaves out its surplus over the smallest part, at random in each epoch.
    A member's weights depend on no other member, except through the random numbers.

    Args:
        encoders: The members with their initial weights.
        inputs: The encoders' inputs of all training architectures.
        targets: Values to rank by, [n]; greater is better. An anytime encoder may be taught another
            value by each of its steps, [n, steps], the last of which are ranked by.
        fold: The member that leaves an architecture out, int array [n].
        fitting: Settings of the training.
        seed: Seed of batches, pairs and dropout.
        path: File of the state while the training lasts. None: no state is written.
        identity: Everything else that distinguishes this training from others whose state the file
            may contain.
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
        self.members = Members(encoders)
        self.inputs = inputs
        self.fitting = fitting
        self.seed = seed
        self.targets = targets if targets.ndim == 1 else targets[:, -1]
        self.values = torch.from_numpy(targets).float()
        self.train_rows = [
            torch.from_numpy(np.flatnonzero(fold != member)) for member in range(len(encoders))
        ]
        self.left_out = [np.flatnonzero(fold == member) for member in range(len(encoders))]
        self.loss = make_loss(fitting.loss)
        self.anytime = encoders[0].anytime

        # A generator of the training's own: batches do not depend on draws for dropout.
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.Adam(
            self.members.weights.values(),
            lr=fitting.learning_rate,
            weight_decay=fitting.weight_decay,
            fused=True,
        )

        self.epoch = 0
        self.epochs = fitting.num_epochs(min(map(len, self.train_rows)))
        self.best = {name: stack.detach().clone() for name, stack in self.members.weights.items()}

        # Below every Kendall's tau.
        self.best_tau = [-2.0] * len(encoders)
        self.best_epoch = [0] * len(encoders)
        self.stopped = [False] * len(encoders)

        settings = json.dumps([identity, asdict(fitting), seed, len(encoders)]).encode()
        data = targets.tobytes() + fold.astype(np.int64).tobytes()
        self.state = TrainingState(path, hashlib.sha256(settings + data).hexdigest())

    def run(self, progress: Progress) -> Members:
        """Train to the end, from the state in the file if there is one.

        Args:
            progress: Receives the fraction done and a text after every epoch.

        Returns:
            The members with the weights of their best epochs, without dropout.
        """
        self._resume()
        written = -math.inf
        self.members.train()
        while not self.done:
            self._train_one_epoch()

            if self.epoch % _VALIDATE_EVERY == 0 or self.epoch == self.epochs:
                self._validate()
                is_due = self.done or time.monotonic() - written >= _WRITE_SECONDS
                if self.state.path is not None and is_due:
                    self.state.write(*self._snapshot())
                    written = time.monotonic()

            fraction = 1.0 if self.done else self.epoch / self.epochs
            progress(fraction, f"epoch {self.epoch} of at most {self.epochs}")
        if self.stops_early:
            self._load(self.best)
        return self.members.frozen()

    @property
    def stops_early(self) -> bool:
        """Whether enough architectures are left out for their ranking to decide when to stop."""
        return min(map(len, self.left_out)) >= _MIN_LEFT_OUT

    @property
    def done(self) -> bool:
        """Whether every epoch is over, or every member has stopped."""
        return self.epoch >= self.epochs or all(self.stopped)

    def _train_one_epoch(self) -> None:
        # Cosine schedule (Loshchilov and Hutter, ICLR 2017).
        rate = self.fitting.learning_rate * (1 + math.cos(math.pi * self.epoch / self.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate

        # Every member has as many rows as the smallest part, so that batches can be stacked.
        smallest = min(map(len, self.train_rows))
        orders = [
            rows[torch.randperm(len(rows), generator=self.generator)[:smallest]]
            for rows in self.train_rows
        ]
        for rows in batches(torch.stack(orders), self.fitting.batch_size):
            losses = self._losses(select(self.inputs, rows), self.values[rows])
            self.optimizer.zero_grad(set_to_none=True)
            # The gradient of the sum gives each member that of its own loss.
            torch.autograd.backward(losses.sum())
            self.optimizer.step()

        self.epoch += 1

    def _losses(self, inputs: Any, values: Tensor) -> Tensor:
        """Return the loss of each member on its own batch, [members]."""
        if self.anytime:
            scores = self.members(inputs, separate=True, every_step=True)
            return anytime(self.loss, scores, values, self.generator)
        return self.loss(self.members(inputs, separate=True), values, self.generator)

    @torch.no_grad()
    def _validate(self) -> None:
        """Rank the architectures left out, store better weights and stop members."""
        if not self.stops_early:
            return

        # Shorter folds repeat their rows, so that all can be stacked; repeated scores are dropped.
        longest = max(map(len, self.left_out))
        rows = torch.from_numpy(np.stack([np.resize(fold, longest) for fold in self.left_out]))
        self.members.train(False)
        scores = self.members(select(self.inputs, rows), separate=True).double().numpy()
        self.members.train()

        for member, fold in enumerate(self.left_out):
            tau = kendall_tau(scores[member, : len(fold)], self.targets[fold])
            # A member that has stopped still takes steps with the others, which are ignored.
            if self.stopped[member]:
                continue
            if tau > self.best_tau[member]:
                self.best_tau[member] = tau
                self.best_epoch[member] = self.epoch
                for name, stack in self.members.weights.items():
                    self.best[name][member] = stack[member]

            self.stopped[member] = self.epoch - self.best_epoch[member] >= self.fitting.patience

    def _load(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, stack in self.members.weights.items():
                stack.copy_(weights[name])

    def _snapshot(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the state of the training: figures and tensors."""
        figures = {
            "epoch": self.epoch,
            "best_tau": self.best_tau,
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
        }

        # Dropout draws from torch's global generator, so that its state is part of the training's.
        tensors = {
            **{f"weights.{name}": stack.detach() for name, stack in self.members.weights.items()},
            **{f"best.{name}": stack for name, stack in self.best.items()},
            "draws": self.generator.get_state(),
            "dropout": torch.default_generator.get_state(),
        }
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors.update({f"adam.{index}.{name}": value for name, value in state.items()})

        return figures, tensors

    def _resume(self) -> None:
        """Restore the state of an interrupted training, if the file contains one."""
        snapshot = self.state.read()
        if snapshot is None:
            return

        figures, tensors = snapshot
        self.epoch = figures["epoch"]
        self.stopped = figures["stopped"]
        self.best_tau = figures["best_tau"]
        self.best_epoch = figures["best_epoch"]
        self._load(with_prefix("weights.", tensors))
        self.best = with_prefix("best.", tensors)
        self.generator.set_state(tensors["draws"])
        torch.default_generator.set_state(tensors["dropout"])
        optimizer_state = self.optimizer.state_dict()

        # Adam has no state before its first step; only the number of its parameters is read from
        # it.
        count = len(optimizer_state["param_groups"][0]["params"])
        optimizer_state["state"] = {
            index: with_prefix(f"adam.{index}.", tensors) for index in range(count)
        }
        self.optimizer.load_state_dict(optimizer_state)


def batches(order: Tensor, size: int) -> list[Tensor]:
    """Split rows into batches.

    Args:
        order: Rows of each member, [members, n].
        size: Rows per batch. A last batch of less than half of it, which has hardly a pair to
            compare, joins the one before.

    Returns:
        Rows of each batch, [members, size].
    """
    split = list(torch.split(order, size, dim=1))
    if len(split) > 1 and split[-1].shape[1] < size // 2:
        last = split.pop()
        split[-1] = torch.cat([split[-1], last], dim=1)
    return split
