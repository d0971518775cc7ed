"""Optimizer and schedule of a recipe."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.training.recipe import Recipe

SECOND_MOMENT = 0.99
"""Decay of AdamW's mean of squared gradients.

It forgets faster than torch's default of 0.999, as suits trainings of a few thousand updates.
"""


def make_optimizer(model: nn.Module, recipe: Recipe, steps: int) -> tuple[Optimizer, LRScheduler]:
    """Return the optimizer of the weights and the schedule of the learning rate.

    Args:
        model: Model, all of whose trainable parameters are optimized.
        recipe: Recipe of the training.
        steps: Number of updates of the whole training.
    """

    # Biases and the scales of normalisation are not decayed.
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    decayed = [weight for weight in weights if weight.ndim > 1]
    others = [weight for weight in weights if weight.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": recipe.weight_decay}]
    if others:
        groups.append({"params": others, "weight_decay": 0.0})

    optimizer: Optimizer
    if recipe.optimizer == "adamw":
        betas = (recipe.momentum, SECOND_MOMENT)
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=betas)
    else:
        optimizer = torch.optim.SGD(
            groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov
        )

    # A function, not an object: an object's attributes would be part of checkpoints.
    return optimizer, LambdaLR(optimizer, lambda step: recipe.rate_fraction(step, steps))
