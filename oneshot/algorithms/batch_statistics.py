"""Forward passes that leave a model's running statistics unchanged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def untracked(model: nn.Module) -> Iterator[None]:
    """Return a context in which batch normalisation does not update its running statistics.

    A layer in training mode normalises by the batch's statistics, as outside of the context.

    Args:
        model: Model whose layers of batch normalisation are frozen.
    """
    tracking = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    for module in tracking:
        module.track_running_stats = False

    try:
        yield
    finally:
        # Only the layers that tracked before: others must not begin to.
        for module in tracking:
            module.track_running_stats = True


@contextlib.contextmanager
def by_batch(model: nn.Module) -> Iterator[None]:
    """Return a context in which the model is in evaluation mode, but normalises by each batch.

    The running statistics of a supernet are those of many paths, and fit none of them.

    Args:
        model: Model that is evaluated.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for module, _ in modes:
        if isinstance(module, _BatchNorm):
            module.training = True

    try:
        with untracked(model):
            yield
    finally:
        for module, training in modes:
            module.training = training
