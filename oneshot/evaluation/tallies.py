"""Passes of one model over a set, with the metrics of its task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

from oneshot.tasks.classification import Classification
from oneshot.training.passes import Passes

if TYPE_CHECKING:
    from oneshot.data.split import Batch
    from oneshot.tasks.tally import Tally
    from oneshot.tasks.task import Task


@torch.no_grad()
def tally_of(
    model: nn.Module,
    batches: Iterable[Batch],
    device: torch.device,
    task: Task | None = None,
) -> Tally:
    """Return the tally of a model's outputs for batches, which follow each other in their set.

    Args:
        model: Model on the device, in evaluation mode.
        batches: Inputs and targets.
        device: Device of the model.
        task: Task that has the metrics; None: classification.
    """
    task = task or Classification()
    passes = Passes(task)
    tally = task.tally(device)
    for inputs, targets in batches:
        tally.add(passes.forward(model, inputs.to(device)), targets.to(device))
    return tally
