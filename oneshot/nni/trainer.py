"""NNI's `SPOSSupernetTrainer` with its arguments, as a face of `oneshot.training`."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.nni.device import chosen_device
from oneshot.nni.mutator import SPOSSupernetTrainingMutator
from oneshot.training.algorithm import Algorithm
from oneshot.training.engine import Engine
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import Recipe
from spaces.files import write_text

_log = logging.getLogger(__name__)
_VALIDATION = 1 << 40  # paths of validation are numbered from here


class SPOSSupernetTrainer:
    """Trains a model with choices on single paths (microsoft/nni,
    `nni.algorithms.nas.pytorch.spos`, version 1 and 2).

    Unlike there, it runs without a GPU too; with a folder it goes on where it was stopped.

    Args:
        model: with LayerChoice or other mutables inside.
        loss: (logits, targets) -> loss tensor.
        metrics: (logits, targets) -> name -> number.
        optimizer: of the model's parameters.
        num_epochs: passes over `train_loader`.
        train_loader: batches (images, targets), with a length.
        valid_loader: the same for validation; None: none.
        mutator: draws the paths; default: uniform ones.
        batch_size: not used, the loaders batch.
        workers: not used, the loaders work.
        device: cpu or cuda; default: a GPU where there is one.
        log_frequency: batches between two lines of the log; None: no lines.
        callbacks: objects, of which `on_epoch_begin(epoch)` and `on_epoch_end(epoch)` are called
            where they have them.
        seed: of what a step draws beside its path.
        folder: keeps checkpoints; None: none are kept.

    Raises:
        InvalidOption: the loader has no length, or the mutator is another model's.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        metrics: Callable[[Tensor, Tensor], Mapping[str, float]],
        optimizer: Optimizer,
        num_epochs: int,
        train_loader: Iterable[Batch],
        valid_loader: Iterable[Batch] | None,
        mutator: SPOSSupernetTrainingMutator | None = None,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        callbacks: Sequence[Any] | None = None,
        *,
        seed: int = 0,
        folder: str | Path | None = None,
    ):
        if not hasattr(train_loader, "__len__"):
            raise InvalidOption("train_loader needs a length, as a DataLoader has")
        if mutator is not None and mutator.model is not model:
            raise InvalidOption("mutator is bound to another model")
        self.model, self.loss, self.metrics, self.optimizer = model, loss, metrics, optimizer
        self.num_epochs, self.train_loader, self.valid_loader = (
            num_epochs,
            train_loader,
            valid_loader,
        )
        self.mutator = (
            mutator if mutator is not None else SPOSSupernetTrainingMutator(model, seed=seed)
        )
        self.device = chosen_device(device)
        self.log_frequency, self.callbacks = log_frequency, list(callbacks or ())
        self.seed, self.folder = seed, folder

    def train(self, validate: bool = True) -> None:
        """Train all epochs, with a validation after each."""
        algorithm, source = _Algorithm(self, validate), _Loaded(self.train_loader)
        execution = Execution(accelerator="gpu" if self.device.type == "cuda" else "cpu")
        with tempfile.TemporaryDirectory() as beside:
            fit(algorithm, source, Path(self.folder or beside), seed=self.seed, execution=execution)
        self.model.to(self.device)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means of the metrics over the validation batches, each on a path of its own, always the
        same ones.
        """
        found: dict[str, list[float]] = {}
        self.model.to(self.device).eval()
        for number, (images, labels) in enumerate(self.valid_loader or ()):
            images, labels = images.to(self.device), labels.to(self.device)
            self.mutator.activate(self.mutator.codes(_VALIDATION + number))
            logits = self.model(images)
            measured = {**self.metrics(logits, labels), "loss": float(self.loss(logits, labels))}
            for name, value in measured.items():
                found.setdefault(name, []).append(float(value))
        return {name: sum(values) / len(values) for name, values in found.items()}

    def export(self, file: str | Path) -> None:
        """Write a path in NNI's format."""
        sample = {key: mask.tolist() for key, mask in self.mutator.export().items()}
        write_text(file, json.dumps(sample, indent=2, sort_keys=True) + "\n")

    def call(self, name: str, epoch: int) -> None:
        """Call a method of all callbacks that have it."""
        for callback in self.callbacks:
            getattr(callback, name, lambda epoch: None)(epoch)


class _Algorithm(Algorithm):
    """What a trainer does in a step and between epochs."""

    def __init__(self, trainer: SPOSSupernetTrainer, validate: bool):
        super().__init__(trainer.model, Recipe(epochs=trainer.num_epochs, batch_size=1))
        self.trainer, self.validated = trainer, validate
        self.steps_per_epoch = len(trainer.train_loader)  # type: ignore[arg-type]

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        return [(self.trainer.optimizer, None)]

    def before_step(self, step: int) -> None:
        if step % self.steps_per_epoch == 0:
            self.trainer.call("on_epoch_begin", step // self.steps_per_epoch)
        mutator = self.trainer.mutator
        mutator.activate(mutator.codes(step))
        mutator.count = step + 1

    def loss(self, images: Tensor, labels: Tensor, step: int, engine: Engine) -> Tensor:
        logits = self.model(images)
        loss = self.trainer.loss(logits, labels)
        engine.note(loss)
        every = self.trainer.log_frequency
        if every is not None and step % self.steps_per_epoch % every == 0:
            found = {**self.trainer.metrics(logits.detach(), labels), "loss": float(loss.detach())}
            said = "  ".join(f"{name} {float(value):.4f}" for name, value in found.items())
            epoch, index = divmod(step, self.steps_per_epoch)
            place = epoch + 1, self.trainer.num_epochs, index + 1, self.steps_per_epoch
            _log.info("Epoch [%s/%s] Step [%s/%s]  %s", *place, said)
        return loss

    def after_step(self, step: int) -> None:
        epoch, index = divmod(step + 1, self.steps_per_epoch)
        if index:
            return
        if self.validated and self.trainer.valid_loader is not None:
            found = self.trainer.validate()
            self.model.train()
            said = "  ".join(f"{name} {value:.4f}" for name, value in found.items())
            _log.info("Epoch [%s/%s] Validation  %s", epoch, self.trainer.num_epochs, said)
        self.trainer.call("on_epoch_end", epoch - 1)


class _Loaded:
    """A user's loader as training images; its order is its own."""

    def __init__(self, loader: Any):
        self.loader, self.first = loader, 0

    def __len__(self) -> int:
        return len(self.loader)

    def epochs(
        self, batch_size: int, seed: int, *, augment: bool = False, rank: int = 0, ranks: int = 1
    ) -> _Loaded:
        return self

    def set_epoch(self, epoch: int) -> None:
        sampler: Any = getattr(self.loader, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)

    def start_at(self, step: int) -> None:
        self.first = step

    def __iter__(self) -> Iterator[Batch]:
        first, self.first = self.first, 0
        for index, batch in enumerate(self.loader):
            if index >= first:
                yield batch
