"""The algorithm that `ProxylessNasTrainer` runs: ProxylessNAS that logs and saves as NNI does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.proxyless.algorithm import Proxyless
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.data.split import Batch
from oneshot.training import checkpoint
from oneshot.training.engine import Engine

if TYPE_CHECKING:
    from oneshot.nni.proxyless import ProxylessNasTrainer

_log = logging.getLogger("oneshot.nni.proxyless")


class LoggedProxyless(Proxyless):
    """ProxylessNAS with a user's optimizer, which logs the architecture like NNI.

    Args:
        trainer: Trainer whose files are written after each epoch.
        setting: Setting of the training.
        options: Options of the algorithm.
        optimizer: Optimizer of the weights. None: SGD, as the algorithm makes it.
    """

    def __init__(
        self,
        trainer: ProxylessNasTrainer,
        setting: Setting,
        options: ProxylessOptions,
        optimizer: Optimizer | None,
    ):
        super().__init__(setting, options)
        self.trainer = trainer
        self.optimizer = optimizer
        self._engine: Engine | None = None

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        optimizers = super().optimizers(steps)
        if self.optimizer is None:
            return optimizers

        # The schedule multiplies `initial_lr`, which an optimizer keeps once it is set.
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = self.recipe.learning_rate
        schedule = LambdaLR(self.optimizer, self.rate_fraction(steps))

        # Replaces the optimizer of the weights; the second one is that of the logits.
        return [(self.optimizer, schedule), optimizers[1]]

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        super().step(batches, step, engine)
        # `after_step` writes the optimizers, which the engine holds.
        self._engine = engine

    def after_step(self, step: int) -> None:
        super().after_step(step)
        epoch, steps_into_epoch = divmod(step + 1, self.setting.steps_per_epoch)
        if not steps_into_epoch:
            self._write(step + 1)
        if not steps_into_epoch and epoch % self.trainer.arch_valid_frequency == 0:
            report = self.report()
            _log.info(
                "Epoch [%d/%d]  %s",
                epoch,
                self.recipe.epochs,
                " ".join(report["architecture"].values()),
            )

    def _write(self, num_steps: int) -> None:
        """Write the checkpoint and the architecture after `num_steps` updates."""
        assert self._engine is not None
        assert self.steps is not None
        if self.trainer.ckpt_path is not None:
            checkpoint.save(
                Path(self.trainer.ckpt_path),
                self,
                self._engine,
                step=num_steps,
                steps=self.steps,
                seed=self.trainer.seed,
            )

        # After the checkpoint, so that the file is never newer than the state.
        if self.trainer.arch_path is not None:
            self.trainer.export(self.trainer.arch_path)
