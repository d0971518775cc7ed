"""Reports of a training: the progress bar's text, and TensorBoard's curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneshot.training.meter import Reading
from spaces.progress import Progress

FOLDER = "tensorboard"


class Reports:
    """Where readings go.

    Args:
        progress: told the share done and a text.
        steps: updates of the whole training.
        an_epoch: updates of an epoch.
        folder: of TensorBoard's files; None: none are written.
        start: the update that the training goes on from; later ones of an earlier try are dropped.
    """

    def __init__(
        self, progress: Progress, steps: int, an_epoch: int, folder: Path | None, start: int
    ):
        self.progress, self.steps, self.steps_per_epoch = progress, steps, an_epoch
        self.writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder / FOLDER), purge_step=start)

    def tell(self, done: int, reading: Reading, rate: float) -> None:
        """Report a reading after `done` updates, with the learning rate of the next."""
        if self.steps % self.steps_per_epoch == 0:
            where = f"epoch {-(-done // self.steps_per_epoch)}/{self.steps // self.steps_per_epoch}"
        else:
            where = f"update {done}/{self.steps}"
        if self.writer is not None:
            self.writer.add_scalar("train/loss", reading.loss, done)
            if reading.top1 is not None:
                self.writer.add_scalar("train/top1", reading.top1, done)
            self.writer.add_scalar("train/images_per_second", reading.images_per_second, done)
            self.writer.add_scalar("train/learning_rate", rate, done)
        self.progress(done / self.steps, f"{where}, {reading}")

    def close(self) -> None:
        """Write what is still held back."""
        if self.writer is not None:
            self.writer.close()
