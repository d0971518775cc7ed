"""Batch normalisation statistics of a network, computed anew on training images."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

BATCH = 250


def full_batches(images: Tensor, size: int = BATCH) -> tuple[Tensor, ...]:
    """Batches [size, ...] of images [n, ...]; a short last one is left out: it would weigh like the others."""
    size = min(size, len(images))
    return torch.split(images[: len(images) // size * size], size)


@torch.no_grad()
def recalibrate(model: nn.Module, images: Iterable[Tensor], parts: Iterable[nn.Module] | None = None) -> None:
    """Replace the running statistics by the mean over batches (momentum 1/i), as SPOS does before evaluation.

    The model is left in evaluation mode; nothing but batch normalisation is run in training mode, so that dropout
    draws nothing.

    Args:
        model: what is run.
        images: batches [b, channels, height, width] of training images.
        parts: the modules whose statistics are computed (default: the model); what does not run must not be reset.
    """
    model.eval()
    norms = [
        module
        for part in (parts if parts is not None else [model])
        for module in part.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: cumulative mean
        norm.train()
    for batch in images:
        model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
