"""Meter: loss, accuracy and speed between two reports."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reading:
    """What happened since the last report.

    Args:
        loss: mean over batches, None where none was noted.
        top1: right answers in percent, None where none were counted.
        images_per_second: over all processes.
    """

    loss: float | None
    top1: float | None
    images_per_second: float

    def __str__(self) -> str:
        parts = [] if self.loss is None else [f"loss {self.loss:.3f}"]
        parts += [] if self.top1 is None else [f"accuracy {self.top1:.1f}%"]
        return ", ".join([*parts, f"{self.images_per_second:.0f} images/s"])


class Meter:
    """Sums on the device, so that nothing waits for it before a report.

    Args:
        device: where the training is.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._sums = torch.zeros(2, device=self.device)
        self._batches = self._counted = self._images = 0
        self._began = time.perf_counter()

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor | None, labels: Tensor | None) -> None:
        """Count a batch: its mean loss, logits [b, classes] and labels [b]."""
        self._sums[0] += loss.detach()
        if logits is not None and labels is not None:
            self._sums[1] += (logits.argmax(1) == labels).sum()
            self._counted += len(labels)
        self._batches += 1

    def count(self, images: int) -> None:
        """Count images, whatever an algorithm does with them."""
        self._images += images

    def read(self, ranks: int = 1) -> Reading:
        """The reading since the last one, over all processes, and begin anew; all of these must
        call it.
        """
        if ranks > 1:
            torch.distributed.all_reduce(self._sums)
            self._sums /= ranks
        loss, right = self._sums.tolist()
        seconds = max(time.perf_counter() - self._began, 1e-9)
        reading = Reading(
            loss / self._batches if self._batches else None,
            100 * right / self._counted if self._counted else None,
            ranks * self._images / seconds,
        )
        self.clear()
        return reading
