"""Training by Lightning: one module for supernets and stand-alone networks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn import functional

from oneshot.data.images import ImageData, batches
from oneshot.recipe import Recipe
from spaces.files import replacing

Progress = Callable[[float, str], None]
"""Told the share of the training that is done, and a word on the state."""


class TrainingModule(lightning.LightningModule):
    """Trains a model by a recipe, with steps of its own (manual optimisation).

    Args:
        model: images [b, ...] -> logits [b, classes].
        recipe: optimiser and schedule.
        steps: of the whole training, for the schedule.
        seed: everything random in step i depends on (seed, i) alone, so that a resumed run goes on as an unbroken one.
        before_step: called with the step's number before the forward pass; a supernet draws its path here.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        steps: int,
        seed: int,
        before_step: Callable[[int], None] = lambda step: None,
    ):
        super().__init__()
        self.automatic_optimization = False
        self.model, self.recipe, self.steps, self.seed, self.before_step = model, recipe, steps, seed, before_step
        self.loss = 0.0

    def configure_optimizers(self) -> Any:
        """SGD and the linear schedule."""
        recipe = self.recipe
        decayed = [weight for weight in self.parameters() if weight.ndim > 1]
        others = [weight for weight in self.parameters() if weight.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": recipe.weight_decay}]
        if others:
            groups.append({"params": others, "weight_decay": 0.0})
        optimizer = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / self.steps))
        return [optimizer], [schedule]

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """One step: path, forward, backward, update."""
        images, labels = batch
        images = images.contiguous(memory_format=torch.channels_last)
        torch.manual_seed((self.seed << 32) + self.global_step)
        self.before_step(self.global_step)
        loss = functional.cross_entropy(self.model(images), labels, label_smoothing=self.recipe.label_smoothing)
        optimizer: Any = self.optimizers()
        # Without a gradient (None, not 0) candidates that were not drawn take no momentum and no decay either.
        optimizer.zero_grad(set_to_none=True)
        self.manual_backward(loss)
        optimizer.step()
        self.lr_schedulers().step()  # type: ignore[union-attr]
        self.loss = float(loss.detach())


class _EpochEnd(Callback):
    """Writes a checkpoint every few epochs, and tells how far the training is."""

    def __init__(self, path: Path, every: int, progress: Progress):
        self.path, self.every, self.progress = path, every, progress

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Save, then tell the epoch and the last loss."""
        epochs, done = trainer.max_epochs or 1, trainer.current_epoch + 1
        if done % self.every == 0 or done == epochs:
            with replacing(self.path) as beside:
                trainer.save_checkpoint(beside)
        self.progress(done / epochs, f"epoch {done}/{epochs}, loss {getattr(module, 'loss', 0.0):.3f}")


def train(
    model: nn.Module,
    data: ImageData,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
    before_step: Callable[[int], None] = lambda step: None,
    progress: Progress = lambda share, text: None,
    checkpoint_every: int = 5,
) -> None:
    """Train a model in place; a checkpoint in `folder` lets an interrupted training go on.

    Args:
        model: images [b, ...] -> logits [b, classes].
        data: its training part is used.
        recipe: optimiser, schedule, epochs.
        folder: holds `last.ckpt`; training goes on from it where it exists.
        seed: of the batches' order and of what a step draws.
        before_step: called with the step's number before its forward pass.
        progress: called after every epoch.
        checkpoint_every: epochs between checkpoints.
    """
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loader = batches(data.train, recipe.batch_size, seed)
    module = TrainingModule(model, recipe, recipe.epochs * len(loader), seed, before_step)
    last = folder / "last.ckpt"
    with warnings.catch_warnings(), torch.random.fork_rng():
        _quiet_lightning()
        trainer = lightning.Trainer(
            accelerator="auto" if torch.cuda.is_available() else "cpu",
            devices=1,
            max_epochs=recipe.epochs,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,  # Lightning's own callback writes only the best; this needs the last
            callbacks=[_EpochEnd(last, checkpoint_every, progress)],
        )
        trainer.fit(module, loader, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    model.cpu()


def _quiet_lightning() -> None:
    # Advice on workers and devices that does not hold for images in memory.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*isinstance.*LeafSpec.*", FutureWarning)
