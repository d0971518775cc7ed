"""Mixup: training on means of two images (Zhang et al., ICLR 2018, arXiv 1710.09412)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Mixed:
    """Images that are each a mean of two, and the labels of both.

    Args:
        images: [b, channels, height, width].
        labels: of the first [b].
        others: of the second [b].
        share: of the first, from 0 to 1.
    """

    images: Tensor
    labels: Tensor
    others: Tensor
    share: float

    def loss(self, logits: Tensor, label_smoothing: float) -> Tensor:
        """The cross-entropy with either label, weighted by their shares; logits [b, classes]."""
        first = functional.cross_entropy(logits, self.labels, label_smoothing=label_smoothing)
        if self.share == 1:
            return first
        second = functional.cross_entropy(logits, self.others, label_smoothing=label_smoothing)
        return self.share * first + (1 - self.share) * second


def mixup(images: Tensor, labels: Tensor, alpha: float) -> Mixed:
    """A batch mixed with a permutation of itself, the share drawn from Beta(alpha, alpha).

    Draws from torch's generator of the processor, which a training seeds before every update.

    Args:
        images: [b, channels, height, width].
        labels: [b].
        alpha: large values mix to equal parts, small ones hardly at all; 0 leaves the batch as it
            is.
    """
    if not alpha:
        return Mixed(images, labels, labels, 1.0)
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(images)).to(images.device)
    return Mixed(torch.lerp(images[order], images, share), labels, labels[order], share)
