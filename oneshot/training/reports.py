"""Reports of a training: the progress bar's text, and TensorBoard's curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneshot.training.meter import Reading
from spaces.progress import Progress

FOLDER = "tensorboard"


class Reports:
    """Destinations of readings.

    Args:
        progress: Called with the fraction done and a text.
        steps: Number of updates of the whole training.
        steps_per_epoch: Number of updates per epoch.
        folder: Folder for TensorBoard's files; None: none are written.
        start: Update that the training resumes from; curves of later ones are discarded.
    """

    def __init__(
        self, progress: Progress, steps: int, steps_per_epoch: int, folder: Path | None, start: int
    ):
        self.progress = progress
        self.steps = steps
        self.steps_per_epoch = steps_per_epoch
        self.writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder / FOLDER), purge_step=start)

    def write(self, done: int, reading: Reading, rate: float) -> None:
        """Report a reading.

        Args:
            done: Number of updates that are done.
            reading: Loss, metrics and speed since the last report.
            rate: Learning rate of the next update.
        """
        if self.steps % self.steps_per_epoch == 0:
            position = (
                f"epoch {-(-done // self.steps_per_epoch)}/{self.steps // self.steps_per_epoch}"
            )
        else:
            position = f"update {done}/{self.steps}"
        if self.writer is not None:
            self.writer.add_scalar("train/loss", reading.loss, done)
            for name, value in reading.metrics.items():
                self.writer.add_scalar(f"train/{name}", value, done)
            self.writer.add_scalar("train/images_per_second", reading.images_per_second, done)
            self.writer.add_scalar("train/learning_rate", rate, done)
        self.progress(done / self.steps, f"{position}, {reading}")

    def close(self) -> None:
        """Write buffered curves."""
        if self.writer is not None:
            self.writer.close()
