"""Mixup: training on means of two images (Zhang et al., ICLR 2018, arXiv 1710.09412)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from oneshot.tasks.task import Task


@dataclass(frozen=True)
class Mixed:
    """A batch of images that are each a mean of two, with the targets of both.

    Args:
        images: Mixed images [b, channels, height, width].
        labels: Targets of the first images [b].
        others: Targets of the second images [b].
        weight: Weight of the first images, from 0 to 1.
    """

    images: Tensor
    labels: Any
    others: Any
    weight: float

    def loss(self, task: Task, outputs: Any, smoothing: float) -> Tensor:
        """Return the weighted loss of outputs to both targets.

        Args:
            task: Task that has the loss.
            outputs: Outputs of the network.
            smoothing: Label smoothing.
        """
        first = task.loss(outputs, self.labels, smoothing)
        if self.weight == 1:
            return first
        second = task.loss(outputs, self.others, smoothing)
        return self.weight * first + (1 - self.weight) * second


def mixup(images: Tensor, labels: Any, alpha: float) -> Mixed:
    """Mix a batch with a permutation of itself, by a weight from Beta(alpha, alpha).

    All randomness is from torch's CPU generator, which a training seeds before every update.

    Args:
        images: Images [b, channels, height, width].
        labels: Targets [b].
        alpha: Parameter of the distribution: large values give weights near 1/2, small ones weights
            near 0 or 1. At 0 the batch is not mixed.
    """
    if not alpha:
        return Mixed(images, labels, labels, 1.0)
    weight = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(images)).to(images.device)
    return Mixed(torch.lerp(images[order], images, weight), labels, labels[order], weight)
