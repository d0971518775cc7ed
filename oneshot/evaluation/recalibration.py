"""Batch normalisation statistics of a network, computed anew on training images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate(
    model: nn.Module, images: Iterable[Tensor], parts: Iterable[nn.Module] | None = None
) -> None:
    """Replace the running statistics by the mean over batches (momentum 1/i), as SPOS does before
    evaluation.

    The model is left in evaluation mode; nothing but batch normalisation is run in training mode,
    so that dropout draws nothing.

    Args:
        model: what is run.
        images: batches [b, channels, height, width] of training images.
        parts: the modules whose statistics are computed (default: the model); what does not run
            must not be reset.
    """
    model.eval()
    with gathering(parts if parts is not None else [model]) as statistics:
        for batch in statistics.each(images):
            model(batch)


@contextmanager
def gathering(parts: Iterable[nn.Module]) -> Iterator[Gathering]:
    """Let the normalisations of `parts` gather statistics anew within the block, and use them
    afterwards.
    """
    norms = normalisations(parts)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    try:
        yield Gathering(norms)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def normalisations(parts: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Every batch normalisation in some modules."""
    return [module for part in parts for module in part.modules() if isinstance(module, _BatchNorm)]


class Gathering:
    """Normalisations that gather the mean of their statistics over batches.

    Args:
        norms: the normalisations.
    """

    def __init__(self, norms: list[_BatchNorm]):
        self.norms = norms

    def each(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """The batches, each to be run before the next is asked for."""
        for number, batch in enumerate(batches, 1):
            for norm in self.norms:
                # What torch makes of momentum None, without reading a counter back from the device
                # for it.
                norm.momentum = 1 / number
            yield batch
