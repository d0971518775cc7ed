"""Passes of one model over a set, with the metrics of its task."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from oneshot.perturbations.conditions import Conditions
from oneshot.tasks.classification import Classification
from oneshot.training.passes import Passes, moved_inputs

if TYPE_CHECKING:
    from oneshot.data.split import Batch
    from oneshot.tasks.tally import Tally
    from oneshot.tasks.task import Task


@torch.no_grad()
def metrics_under(
    model: nn.Module,
    batches: Sequence[Batch],
    device: torch.device,
    task: Task,
    conditions: Conditions,
    seed: int,
    calibration: Sequence[Any] = (),
) -> dict[str, float]:
    """Return a model's metrics under each condition, such as `top1` and `top1_pgd`.

    Args:
        model: Model on the device, in evaluation mode.
        batches: Inputs and targets.
        device: Device of the model.
        task: Task that has the metrics.
        conditions: Perturbations; the metrics without any are always among the results.
        seed: Seed of the perturbations, the same for every model.
        calibration: Inputs of training images, on which perturbations such as `int8` are
            calibrated; empty: they take their ranges from each batch.
    """
    metrics: dict[str, float] = {}
    for condition in conditions.evaluated():
        inputs_of_training = [moved_inputs(inputs, device) for inputs in calibration]
        perturbation = condition.perturbation.calibrated(
            model, inputs_of_training, functools.partial(Passes(task).from_start, model)
        )

        # One condition at a time, without its weight, which the score has.
        single = replace(condition, weight=1.0, perturbation=perturbation)
        passes = Passes(task, Conditions((single,)))
        tally = task.tally(device)
        for number, (inputs, targets) in enumerate(batches):
            passes.begin(seed, number, 0)
            on_device = targets.to(device)
            _, outputs = passes.loss(
                model, moved_inputs(inputs, device), functools.partial(task.loss, targets=on_device)
            )
            tally.add(outputs, on_device)
        metrics |= {condition.metric(name): value for name, value in tally.metrics().items()}
    return metrics


def inputs_under(
    batches: Sequence[Any], task: Task, conditions: Conditions, seed: int
) -> list[list[Any]]:
    """Return the inputs of a set under each condition, as `metrics_under` runs a model on them.

    Args:
        batches: Inputs.
        task: Task that has the metrics.
        conditions: Perturbations that do not use the model.
        seed: Seed of the perturbations.

    Returns:
        For each of `conditions.evaluated()` the inputs of all batches.
    """
    sets = []
    for condition in conditions.evaluated():
        passes = Passes(task, Conditions((replace(condition, weight=1.0),)))
        perturbed = []
        for number, inputs in enumerate(batches):
            passes.begin(seed, number, 0)
            perturbed += passes.perturbed_inputs(inputs)
        sets.append(perturbed)
    return sets


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
        outputs = passes.forward(model, moved_inputs(inputs, device))
        tally.add(outputs, targets.to(device))
    return tally
