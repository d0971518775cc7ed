"""Mixup: training on means of two images (Zhang et al., ICLR 2018, arXiv 1710.09412)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Mixed:
    """A batch of images that are each a mean of two, with the labels of both.

    Args:
        images: Mixed images [b, channels, height, width].
        labels: Labels of the first images [b].
        others: Labels of the second images [b].
        weight: Weight of the first images, from 0 to 1.
    """

    images: Tensor
    labels: Tensor
    others: Tensor
    weight: float

    def loss(self, logits: Tensor, label_smoothing: float) -> Tensor:
        """Return the weighted cross-entropy of logits [b, classes] with both labels."""
        first = functional.cross_entropy(logits, self.labels, label_smoothing=label_smoothing)
        if self.weight == 1:
            return first
        second = functional.cross_entropy(logits, self.others, label_smoothing=label_smoothing)
        return self.weight * first + (1 - self.weight) * second


def mixup(images: Tensor, labels: Tensor, alpha: float) -> Mixed:
    """Mix a batch with a permutation of itself, by a weight from Beta(alpha, alpha).

    All randomness is from torch's CPU generator, which a training seeds before every update.

    Args:
        images: Images [b, channels, height, width].
        labels: Labels [b].
        alpha: Parameter of the distribution: large values give weights near 1/2, small ones weights
            near 0 or 1. At 0 the batch is not mixed.
    """
    if not alpha:
        return Mixed(images, labels, labels, 1.0)
    weight = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(images)).to(images.device)
    return Mixed(torch.lerp(images[order], images, weight), labels, labels[order], weight)
