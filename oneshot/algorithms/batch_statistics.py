"""Forward passes that leave a model as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def untracked(model: nn.Module) -> Iterator[None]:
    """Within it batch normalisation takes the batch's statistics, where it trains, and its running
    ones stay.
    """
    tracking = [
        part
        for part in model.modules()
        if isinstance(part, _BatchNorm) and part.track_running_stats
    ]
    for part in tracking:
        part.track_running_stats = False
    try:
        yield
    finally:
        for part in tracking:
            part.track_running_stats = True


@contextlib.contextmanager
def by_batch(model: nn.Module) -> Iterator[None]:
    """Within it the model evaluates, but normalises by each batch: running statistics of a supernet
    fit no path.
    """
    before = [(part, part.training) for part in model.modules()]
    model.eval()
    for part, _ in before:
        if isinstance(part, _BatchNorm):
            part.training = True
    try:
        with untracked(model):
            yield
    finally:
        for part, training in before:
            part.training = training
