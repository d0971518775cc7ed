"""Meter: loss, metrics and speed between two reports."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed
from torch import Tensor

if TYPE_CHECKING:
    from oneshot.tasks.tally import Tally
    from oneshot.tasks.task import Task


@dataclass(frozen=True)
class Reading:
    """Loss, metrics and speed since the last report.

    Args:
        loss: Mean over batches; None: no loss was noted.
        images_per_second: Speed of all processes together.
        metrics: Metrics of the task on training batches, by name.
        texts: Title and value of each metric for the progress bar.
    """

    loss: float | None
    images_per_second: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    def __str__(self) -> str:
        fields = []
        if self.loss is not None:
            fields.append(f"loss {self.loss:.3f}")
        fields += self.texts
        fields.append(f"{self.images_per_second:.0f} images/s")
        return ", ".join(fields)


class Meter:
    """Sums of losses, and a task's tally.

    They stay on the device, so that the program waits for it at reports only.

    Args:
        device: Device of the training.
        task: Task whose metrics are read; None: none are.
    """

    def __init__(self, device: torch.device, task: Task | None = None):
        self.device = device
        self.task = task
        self.clear()

    def clear(self) -> None:
        """Reset all sums."""
        self._loss = torch.zeros((), device=self.device)
        self._tally: Tally | None = None if self.task is None else self.task.monitor(self.device)
        self._batches = 0
        self._images = 0
        self._start = time.perf_counter()

    @torch.no_grad()
    def add(self, loss: Tensor, outputs: Any = None, targets: Any = None) -> None:
        """Count a batch: its mean loss, outputs and targets [b]."""
        self._loss += loss.detach()
        if self._tally is not None and outputs is not None:
            self._tally.add(outputs, targets)
        self._batches += 1

    def count(self, images: int) -> None:
        """Count images that an update has processed, for the speed."""
        self._images += images

    def read(self, ranks: int = 1) -> Reading:
        """Return the reading of all processes since the last one, and reset the sums.

        Args:
            ranks: Number of processes, all of which must call this at the same update.
        """
        if ranks > 1:
            torch.distributed.all_reduce(self._loss)
            self._loss /= ranks
            if self._tally is not None:
                self._tally.merge()

        metrics = {} if self._tally is None else self._tally.metrics()
        seconds = max(time.perf_counter() - self._start, 1e-9)
        reading = Reading(
            self._loss.item() / self._batches if self._batches else None,
            ranks * self._images / seconds,
            metrics,
            self._texts(metrics),
        )
        self.clear()
        return reading

    def _texts(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        if self.task is None:
            return ()
        return tuple(
            f"{self.task.title(name)} {self.task.text(name, value)}"
            for name, value in metrics.items()
        )
