"""NNI's `SPOSSupernetTrainer` with its arguments, run by `oneshot.training`."""

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

# Number of the first validation path, beyond the number of any training step.
_VALIDATION = 1 << 40


class SPOSSupernetTrainer:
    """Trainer of a model with choices on single paths.

    Follows `nni.algorithms.nas.pytorch.spos` of microsoft/nni, versions 1 and 2. Unlike NNI's, it
    also runs without a GPU, and with a folder it resumes an interrupted training.

    Args:
        model: Model with LayerChoice or other mutables.
        loss: Maps (logits, targets) to the loss.
        metrics: Maps (logits, targets) to named numbers.
        optimizer: Optimizer of the model's parameters.
        num_epochs: Number of passes over `train_loader`.
        train_loader: Batches (images, targets), with a length.
        valid_loader: Batches (images, targets) for validation; None for no validation.
        mutator: Sampler of the paths; None for uniform paths.
        batch_size: Ignored; accepted as in NNI: the loaders build the batches.
        workers: Ignored; accepted as in NNI: the loaders have their own workers.
        device: `cpu` or `cuda`; None for a GPU if one is available.
        log_frequency: Number of batches between two log lines; None to log none.
        callbacks: Objects whose `on_epoch_begin(epoch)` and `on_epoch_end(epoch)` are called if
            they have them; None for none.
        seed: Seed of the random numbers of a step and of the default mutator.
        folder: Folder of checkpoints; None to keep none.

    Raises:
        InvalidOption: `train_loader` has no length, or the mutator is bound to another model.
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

        self.model = model
        self.loss = loss
        self.metrics = metrics
        self.optimizer = optimizer
        self.num_epochs = num_epochs
        self.train_loader = train_loader
        self.valid_loader = valid_loader
        self.mutator = (
            mutator if mutator is not None else SPOSSupernetTrainingMutator(model, seed=seed)
        )
        self.device = chosen_device(device)
        self.log_frequency = log_frequency
        self.callbacks = list(callbacks or ())
        self.seed = seed
        self.folder = folder

    def train(self, validate: bool = True) -> None:
        """Train all epochs; if `validate`, validate after each of them."""
        algorithm = _Algorithm(self, validate)
        source = _LoaderSource(self.train_loader)
        execution = Execution(accelerator="gpu" if self.device.type == "cuda" else "cpu")

        # The training loop always writes checkpoints; without a folder they are temporary.
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(self.folder or temporary)
            fit(algorithm, source, folder, seed=self.seed, execution=execution)
        self.model.to(self.device)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the means of loss and metrics over the validation batches.

        Each batch runs on its own path; the paths are the same in every validation.
        """
        history: dict[str, list[float]] = {}
        self.model.to(self.device).eval()

        for number, (images, labels) in enumerate(self.valid_loader or ()):
            images = images.to(self.device)
            labels = labels.to(self.device)
            self.mutator.activate(self.mutator.codes(_VALIDATION + number))
            logits = self.model(images)

            metrics = {**self.metrics(logits, labels), "loss": float(self.loss(logits, labels))}
            for name, value in metrics.items():
                history.setdefault(name, []).append(float(value))

        return {name: sum(values) / len(values) for name, values in history.items()}

    def export(self, file: str | Path) -> None:
        """Write the next path of the mutator in NNI's format."""
        sample = {key: mask.tolist() for key, mask in self.mutator.export().items()}
        write_text(file, json.dumps(sample, indent=2, sort_keys=True) + "\n")

    def call(self, name: str, epoch: int) -> None:
        """Call the method `name` of every callback that has it."""
        for callback in self.callbacks:
            getattr(callback, name, lambda epoch: None)(epoch)


class _Algorithm(Algorithm):
    """Steps of a trainer: a new path per batch, validation and callbacks between epochs."""

    def __init__(self, trainer: SPOSSupernetTrainer, validate: bool):
        # The loader builds the batches, so the training loop counts a batch as one image.
        super().__init__(trainer.model, Recipe(epochs=trainer.num_epochs, batch_size=1))
        self.trainer = trainer
        self.validates = validate
        self.steps_per_epoch = len(trainer.train_loader)  # type: ignore[arg-type]

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        return [(self.trainer.optimizer, None)]

    def before_step(self, step: int) -> None:
        if step % self.steps_per_epoch == 0:
            self.trainer.call("on_epoch_begin", step // self.steps_per_epoch)

        mutator = self.trainer.mutator
        mutator.activate(mutator.codes(step))

        # Set, not incremented: a resumed training begins at a later step.
        mutator.count = step + 1

    def loss(self, images: Tensor, labels: Tensor, step: int, engine: Engine) -> Tensor:
        logits = self.model(images)
        loss = self.trainer.loss(logits, labels)
        engine.note(loss)

        interval = self.trainer.log_frequency
        epoch, index = divmod(step, self.steps_per_epoch)
        if interval is not None and index % interval == 0:
            metrics = self.trainer.metrics(logits.detach(), labels)
            _log.info(
                "Epoch [%s/%s] Step [%s/%s]  %s",
                epoch + 1,
                self.trainer.num_epochs,
                index + 1,
                self.steps_per_epoch,
                _format_metrics({**metrics, "loss": float(loss.detach())}),
            )
        return loss

    def after_step(self, step: int) -> None:
        epoch, index = divmod(step + 1, self.steps_per_epoch)
        if index:
            return

        if self.validates and self.trainer.valid_loader is not None:
            metrics = self.trainer.validate()
            # The validation leaves the model in evaluation mode.
            self.model.train()
            _log.info(
                "Epoch [%s/%s] Validation  %s",
                epoch,
                self.trainer.num_epochs,
                _format_metrics(metrics),
            )
        self.trainer.call("on_epoch_end", epoch - 1)


def _format_metrics(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {float(value):.4f}" for name, value in metrics.items())


class _LoaderSource:
    """Training images from a user's loader, which determines their order."""

    def __init__(self, loader: Any):
        self.loader = loader
        self.first = 0

    def __len__(self) -> int:
        return len(self.loader)

    def epochs(
        self, batch_size: int, seed: int, *, augment: bool = False, rank: int = 0, ranks: int = 1
    ) -> _LoaderSource:
        return self

    def set_epoch(self, epoch: int) -> None:
        # Samplers of distributed training shuffle by the epoch's number.
        sampler: Any = getattr(self.loader, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)

    def start_at(self, step: int) -> None:
        self.first = step

    def __iter__(self) -> Iterator[Batch]:
        # Only the first epoch after resuming begins in the middle.
        first = self.first
        self.first = 0

        # A loader cannot seek, so the batches of earlier steps are read and skipped.
        for index, batch in enumerate(self.loader):
            if index >= first:
                yield batch
