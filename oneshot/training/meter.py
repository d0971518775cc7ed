"""Meter: loss, accuracy and speed between two reports."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reading:
    """Loss, accuracy and speed since the last report.

    Args:
        loss: Mean over batches; None: no loss was noted.
        top1: Correct predictions in percent; None: none were counted.
        images_per_second: Speed of all processes together.
    """

    loss: float | None
    top1: float | None
    images_per_second: float

    def __str__(self) -> str:
        fields = []
        if self.loss is not None:
            fields.append(f"loss {self.loss:.3f}")
        if self.top1 is not None:
            fields.append(f"accuracy {self.top1:.1f}%")
        fields.append(f"{self.images_per_second:.0f} images/s")
        return ", ".join(fields)


class Meter:
    """Sums of losses and correct predictions.

    They stay on the device, so that the program waits for it at reports only.

    Args:
        device: Device of the training.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.clear()

    def clear(self) -> None:
        """Reset all sums."""
        self._sums = torch.zeros(2, device=self.device)
        self._batches = 0
        self._predictions = 0
        self._images = 0
        self._start = time.perf_counter()

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor | None, labels: Tensor | None) -> None:
        """Count a batch: its mean loss, logits [b, classes] and labels [b]."""
        self._sums[0] += loss.detach()
        if logits is not None and labels is not None:
            self._sums[1] += (logits.argmax(1) == labels).sum()
            self._predictions += len(labels)
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
            torch.distributed.all_reduce(self._sums)
            self._sums /= ranks
        loss, correct = self._sums.tolist()
        seconds = max(time.perf_counter() - self._start, 1e-9)
        reading = Reading(
            loss / self._batches if self._batches else None,
            100 * correct / self._predictions if self._predictions else None,
            ranks * self._images / seconds,
        )
        self.clear()
        return reading
