"""Callbacks of trainers, with NNI's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from oneshot.errors import InvalidOption
from oneshot.mutators.binding import bare
from spaces.files import replacing


class Callback:
    """Base of callbacks; each method does nothing unless overridden (as NNI's Callback).

    `build` sets `model`, `mutator` and `trainer`. Where a callback has `state_dict` and
    `load_state_dict`, a trainer with a folder includes its state in the checkpoint.

    Example:
        >>> class Printing(Callback):
        ...     def on_epoch_end(self, epoch):
        ...         print(f"epoch {epoch} has ended")
        >>> Printing().on_epoch_end(0)
        epoch 0 has ended
    """

    model: nn.Module | None = None
    mutator: Any = None
    trainer: Any = None

    def build(self, model: nn.Module, mutator: Any, trainer: Any) -> None:
        """Receive the training's objects, before its first epoch.

        Args:
            model: Model that is trained.
            mutator: Mutator of the model.
            trainer: Trainer that calls the callback.
        """
        self.model = model
        self.mutator = mutator
        self.trainer = trainer

    def on_epoch_begin(self, epoch: int) -> None:
        """Called before epoch `epoch`, from 0."""

    def on_epoch_end(self, epoch: int) -> None:
        """Called after epoch `epoch` and its validation."""

    def on_batch_begin(self, epoch: int) -> None:
        """Called before each batch of epoch `epoch`."""

    def on_batch_end(self, epoch: int) -> None:
        """Called after each batch of epoch `epoch`."""


class LRSchedulerCallback(Callback):
    """Advances a learning-rate schedule after each epoch.

    Args:
        scheduler: Schedule of the trainer's optimizer.
        mode: Only `epoch`.

    Raises:
        InvalidOption: The mode is another one.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        >>> LRSchedulerCallback(schedule).scheduler is schedule
        True
    """

    def __init__(self, scheduler: LRScheduler, mode: str = "epoch"):
        _check_epoch("mode", mode)
        self.scheduler = scheduler

    def on_epoch_end(self, epoch: int) -> None:
        """Advance the schedule by an epoch."""
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the schedule's state."""
        return self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the schedule's state."""
        self.scheduler.load_state_dict(state)


class CheckpointCallback(Callback):
    """Base of callbacks that write a file after each epoch.

    Args:
        checkpoint_dir: Folder of the files.
        every: Only `epoch`.

    Raises:
        InvalidOption: `every` is another value.
    """

    def __init__(self, checkpoint_dir: str | Path, every: str = "epoch"):
        _check_epoch("every", every)
        self.checkpoint_dir = Path(checkpoint_dir)

    def on_epoch_end(self, epoch: int) -> None:
        """Write the file of the epoch."""
        self.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        self.write(epoch)

    def write(self, epoch: int) -> None:
        """Write the file of epoch `epoch`, from 0, to the folder, which exists."""
        raise NotImplementedError


class ArchitectureCheckpoint(CheckpointCallback):
    """Writes the trainer's architecture to `epoch_0.json`, `epoch_1.json`, ...

    Args:
        checkpoint_dir: Folder of the files.
        every: Only `epoch`.

    Raises:
        InvalidOption: `every` is another value.

    Example:
        >>> ArchitectureCheckpoint("checkpoints").checkpoint_dir.name
        'checkpoints'
    """

    def write(self, epoch: int) -> None:
        """Write the architecture."""
        self.trainer.export(str(self.checkpoint_dir / f"epoch_{epoch}.json"))


class ModelCheckpoint(CheckpointCallback):
    """Writes the model's state dict to `epoch_0.pth.tar`, `epoch_1.pth.tar`, ...

    Args:
        checkpoint_dir: Folder of the files.
        every: Only `epoch`.

    Raises:
        InvalidOption: `every` is another value.

    Example:
        >>> ModelCheckpoint("checkpoints").checkpoint_dir.name
        'checkpoints'
    """

    def write(self, epoch: int) -> None:
        """Write the weights, without the prefix of DataParallel."""
        assert self.model is not None
        with replacing(self.checkpoint_dir / f"epoch_{epoch}.pth.tar") as temporary_path:
            torch.save(bare(self.model).state_dict(), temporary_path)


def _check_epoch(name: str, value: str) -> None:
    if value != "epoch":
        raise InvalidOption(f"{name} must be 'epoch', not {value!r}")
