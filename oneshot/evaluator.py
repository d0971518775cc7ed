"""Evaluating sub-networks of a supernet, all on the same images."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from oneshot.data.images import ImageData, ImageSplit
from oneshot.errors import InvalidRun
from oneshot.recalibration import BATCH, full_batches, recalibrate
from spaces.modules.supernet import Supernet
from spaces.space import Codes


@torch.no_grad()
def quality(model: nn.Module, split: ImageSplit, batch: int = BATCH) -> dict[str, float]:
    """Mean cross-entropy (nats) and top-1 (percent) of a model on a split."""
    model.eval()
    loss, correct = 0.0, 0
    for images, labels in zip(torch.split(split.images, batch), torch.split(split.labels, batch), strict=True):
        logits = model(images)
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        correct += int((logits.argmax(1) == labels).sum())
    return {"cross_entropy": loss / len(split), "top1": 100 * correct / len(split)}


class Evaluator:
    """Evaluates architectures by the weights of a trained supernet.

    For each one the batch normalisation of its path is recalibrated in one pass over the training images; then the
    whole, fixed validation split is evaluated. A result depends on nothing that was evaluated before.

    Args:
        supernet: trained.
        data: its training and validation parts are used.
    """

    def __init__(self, supernet: Supernet, data: ImageData):
        self.supernet: Supernet = supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data = data

    def evaluate(self, codes: Codes) -> dict[str, float]:
        """Metrics of one architecture, codes [choices]: cross_entropy (nats) and top1 (percent).

        Raises:
            InvalidRun: the outputs are not finite.
        """
        self.supernet.activate(codes)
        recalibrate(self.supernet, full_batches(self.data.train.images), self.supernet.path())
        found = quality(self.supernet, self.data.validation)
        if not math.isfinite(found["cross_entropy"]):
            raise InvalidRun("the supernet's outputs are not finite: its training diverged; lower --learning-rate")
        return found
