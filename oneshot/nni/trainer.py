"""NNI's `SPOSSupernetTrainer` with its arguments, run by `oneshot.training`."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.binding import bare
from oneshot.mutators.mutator import Mutator
from oneshot.nni.device import chosen_device
from oneshot.nni.loader_source import LoaderSource, count_batches
from oneshot.nni.mutator import SPOSSupernetTrainingMutator
from oneshot.nni.trainer_steps import TrainerSteps
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from spaces.files import write_text

_log = logging.getLogger(__name__)

# Number of the first validation path, beyond the number of any training step.
_VALIDATION = 1 << 40


class SPOSSupernetTrainer:
    """Trainer of a model with choices on single paths.

    Follows `nni.algorithms.nas.pytorch.spos` of microsoft/nni, versions 1 and 2. Unlike NNI's, it
    also runs without a GPU, and with a folder it resumes an interrupted training.

    Subclasses may override `train_one_epoch` and `validate_one_epoch`.

    Args:
        model: Model with LayerChoice or other mutables.
        loss: Maps (logits, targets) to the loss.
        metrics: Maps (logits, targets) to named numbers.
        optimizer: Optimizer of the model's parameters.
        num_epochs: Number of passes over `train_loader`.
        train_loader: Batches (images, targets); any iterable that begins again in each epoch. One
            without a length is counted by a pass over it.
        valid_loader: Batches (images, targets) for validation; None for no validation.
        mutator: Any mutator of the model; it is reset before each batch. None for uniform paths.
        batch_size: Ignored; accepted as in NNI: the loaders build the batches.
        workers: Ignored; accepted as in NNI: the loaders have their own workers.
        device: `cpu` or `cuda`; None for a GPU if one is available.
        log_frequency: Number of batches between two log lines; None to log none.
        callbacks: Objects with methods of `oneshot.nni.Callback`, which are called if they have
            them; None for none.
        seed: Seed of the random numbers of a step and of the default mutator.
        folder: Folder of checkpoints; None to keep none.

    Raises:
        InvalidOption: `train_loader` is used up by one pass, or the mutator is bound to another
            model.
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
        mutator: Mutator | None = None,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        callbacks: Sequence[Any] | None = None,
        *,
        seed: int = 0,
        folder: str | Path | None = None,
    ):
        if mutator is not None and bare(mutator.__dict__["model"]) is not bare(model):
            raise InvalidOption("mutator is bound to another model")

        self.steps_per_epoch = count_batches(train_loader)
        self.model = model
        self.loss = loss
        self.metrics = metrics
        self.optimizer = optimizer
        self.num_epochs = num_epochs
        self.train_loader = train_loader
        self.valid_loader = valid_loader

        # NNI's trainer requires a mutator; without one, training is by uniform paths.
        self.mutator: Mutator = (
            mutator if mutator is not None else SPOSSupernetTrainingMutator(model, seed=seed)
        )
        self.device = chosen_device(device)
        self.log_frequency = log_frequency
        self.callbacks = list(callbacks or ())
        self.seed = seed
        self.folder = folder
        for callback in self.callbacks:
            # Callbacks need not derive from NNI's class, nor have all its methods.
            getattr(callback, "build", lambda *objects: None)(model, self.mutator, self)

    def train(self, validate: bool = True) -> None:
        """Train all epochs; if `validate`, validate after each of them.

        Raises:
            InvalidOption: `train_one_epoch` is overridden, and there is a folder: such a training
                cannot be resumed.
        """
        if type(self).train_one_epoch is not SPOSSupernetTrainer.train_one_epoch:
            self._train_by_epochs(validate)
            return

        algorithm = TrainerSteps(self, validate)
        source = LoaderSource(self.train_loader, self.steps_per_epoch)
        execution = Execution(accelerator="gpu" if self.device.type == "cuda" else "cpu")

        # The training loop always writes checkpoints; without a folder they are temporary.
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(self.folder or temporary)
            fit(algorithm, source, folder, seed=self.seed, execution=execution)
        self.model.to(self.device)

    def _train_by_epochs(self, validate: bool) -> None:
        # Batches of an overridden epoch are not counted, so that no state could be resumed from.
        if self.folder is not None:
            raise InvalidOption(
                f"folder: {type(self).__name__} overrides train_one_epoch, so that its training"
                " cannot be resumed; give None, and a ModelCheckpoint as a callback"
            )

        self.model.to(self.device)

        for epoch in range(self.num_epochs):
            self.call("on_epoch_begin", epoch)
            self.train_one_epoch(epoch)
            if validate and self.valid_loader is not None:
                self.validate_one_epoch(epoch)
            self.call("on_epoch_end", epoch)

    def train_one_epoch(self, epoch: int) -> None:
        """Train an epoch; `train` calls it only where a subclass overrides it.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self.model.train()
        for index, (images, labels) in enumerate(self.train_loader):
            images = images.to(self.device)
            labels = labels.to(self.device)
            self.call("on_batch_begin", epoch)

            self.optimizer.zero_grad()
            self.mutator.reset()
            logits = self.model(images)
            loss = self.loss(logits, labels)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

            self.log_step(epoch, index, logits, labels, loss)
            self.call("on_batch_end", epoch)

    def validate_one_epoch(self, epoch: int) -> None:
        """Validate after an epoch and log the metrics.

        Args:
            epoch: Number of the epoch, from 0.
        """
        metrics = self.validate()
        _log.info(
            "Epoch [%s/%s] Validation  %s", epoch + 1, self.num_epochs, _format_metrics(metrics)
        )

    def log_step(
        self, epoch: int, index: int, logits: Tensor, labels: Tensor, loss: Tensor
    ) -> None:
        """Log the metrics of a batch, where its number is a multiple of `log_frequency`.

        Args:
            epoch: Number of the epoch, from 0.
            index: Number of the batch in the epoch, from 0.
            logits: Logits [b, classes] of the batch.
            labels: Classes [b].
            loss: Loss of the batch.
        """
        if self.log_frequency is None or index % self.log_frequency:
            return

        metrics = self.metrics(logits.detach(), labels)
        _log.info(
            "Epoch [%s/%s] Step [%s/%s]  %s",
            epoch + 1,
            self.num_epochs,
            index + 1,
            self.steps_per_epoch,
            _format_metrics({**metrics, "loss": float(loss.detach())}),
        )

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the means of loss and metrics over the validation batches.

        Each batch runs on its own path; the paths are the same in every validation.
        """
        history: dict[str, list[float]] = {}
        self.model.to(self.device).eval()
        # Restored in the end: a validation does not change the paths of the training.
        next_number = self.mutator.seek(_VALIDATION)

        for images, labels in self.valid_loader or ():
            images = images.to(self.device)
            labels = labels.to(self.device)
            self.mutator.reset()
            logits = self.model(images)

            metrics = {**self.metrics(logits, labels), "loss": float(self.loss(logits, labels))}
            for name, value in metrics.items():
                history.setdefault(name, []).append(float(value))

        self.mutator.seek(next_number)
        return {name: sum(values) / len(values) for name, values in history.items()}

    def export(self, file: str | Path) -> None:
        """Write the mutator's final architecture in NNI's format; of SPOS, the next path."""
        write_text(file, self.mutator.export_json())

    def call(self, name: str, epoch: int) -> None:
        """Call the method `name` of every callback that has it."""
        for callback in self.callbacks:
            getattr(callback, name, lambda epoch: None)(epoch)


def _format_metrics(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {float(value):.4f}" for name, value in metrics.items())
