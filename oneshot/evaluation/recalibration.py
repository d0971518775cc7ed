"""Recalibration: batch normalisation statistics of one path, computed on training images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from oneshot.tasks.task import Task
from oneshot.training.passes import Passes


@torch.no_grad()
def recalibrate(
    model: nn.Module,
    images: Iterable[Any],
    modules: Iterable[nn.Module] | None = None,
    task: Task | None = None,
) -> None:
    """Replace the running statistics by the mean over batches (momentum 1/i).

    The release of SPOS recalibrates candidates with momentum 0.1 on augmented images, so that the
    last batches weigh most; its retraining ends with the mean that is computed here.

    The model is in evaluation mode afterwards. Batch normalisation alone runs in training mode, so
    that dropout has no effect.

    Args:
        model: Model that runs the images.
        images: Batches of training images [b, channels, height, width], or of a tuple or dictionary
            of tensors.
        modules: Modules whose statistics are computed; None: the model. Those that do not run, or
            that the model's own code sets to evaluation mode, keep their statistics.
        task: Task that runs the model; None: classification.
    """
    passes = Passes(task)
    model.eval()
    with gathering(modules if modules is not None else [model]) as statistics:
        # Without normalisation, as in recurrent networks, the passes would change nothing.
        for batch in statistics.average_over(images if statistics.norms else ()):
            passes.from_start(model, batch)


@contextmanager
def gathering(modules: Iterable[nn.Module]) -> Iterator[Gathering]:
    """Compute new statistics of normalisation within the block, which apply afterwards.

    Args:
        modules: Modules whose batch normalisations are recalibrated.
    """
    norms = normalisations(modules)
    momenta = [norm.momentum for norm in norms]

    # Before its first batch rather than now: a frozen backbone sets its normalisations to
    # evaluation mode in its forward pass, and their statistics belong to its weights.
    hooks = [norm.register_forward_pre_hook(_ResetOnce()) for norm in norms]
    for norm in norms:
        norm.train()
    try:
        yield Gathering(norms)
    finally:
        for hook in hooks:
            hook.remove()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


class _ResetOnce:
    """Hook that resets the statistics of a batch normalisation when it first runs in training."""

    def __init__(self) -> None:
        self.done = False

    def __call__(self, norm: _BatchNorm, inputs: Any) -> None:
        if norm.training and not self.done:
            self.done = True
            norm.reset_running_stats()


def normalisations(modules: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Return all batch normalisations in some modules."""
    nested = chain.from_iterable(module.modules() for module in modules)
    return [module for module in nested if isinstance(module, _BatchNorm)]


class Gathering:
    """Batch normalisations that average their statistics over batches.

    Args:
        norms: Batch normalisations.
    """

    def __init__(self, norms: list[_BatchNorm]):
        self.norms = norms

    def average_over(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches, each of which must be run before the next one is read."""
        for number, batch in enumerate(batches, 1):
            for norm in self.norms:
                # The cumulative mean that torch computes for momentum None, without its read of a
                # counter on the device.
                norm.momentum = 1 / number
            yield batch
