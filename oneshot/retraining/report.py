"""The metrics of a network on test images, which no decision depended on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from oneshot.data.images import ImageData
from oneshot.data.split import Batch
from oneshot.evaluation.calibration import calibration_batches
from oneshot.evaluation.tallies import metrics_under, tally_of
from oneshot.perturbations.conditions import Conditions
from oneshot.tasks.classification import Classification
from oneshot.tasks.task import Task
from tables.metrics import Metric

_BATCH = 250


def report_on_test(
    model: nn.Module,
    data: ImageData,
    device: torch.device | None = None,
    task: Task | None = None,
    conditions: Conditions | None = None,
) -> dict[str, Any]:
    """Test a model on the test part of a data set.

    Args:
        model: Maps images to outputs of the task.
        data: Data set with the test part.
        device: Device of the model; None for the CPU.
        task: Task that has the metrics; None: classification.
        conditions: Perturbations under which the network is tested as well; None: none.

    Returns:
        Metrics of the task, their 95% intervals as `NAME_interval`, details such as the IoU of each
        class, and images, data and split. Of a classification these are cross_entropy (nats), top1
        and top5 (percent), and the Wilson interval of top1.
    """
    device = device or torch.device("cpu")
    model.to(device).eval()
    count = 0

    def batches() -> Iterator[Batch]:
        nonlocal count
        for inputs, targets in data.test.batches(_BATCH):
            count += len(targets)
            yield inputs, targets

    tally = tally_of(model, batches(), device, task)
    perturbed = {}
    if conditions is not None:
        test_batches = list(data.test.batches(_BATCH))
        task = task or Classification()
        perturbed = metrics_under(
            model,
            test_batches,
            device,
            task,
            conditions.for_data(data),
            seed=0,
            calibration=calibration_batches(data.train),
        )
    intervals = {name: list(ends) for name, ends in tally.intervals().items()}
    return {
        **perturbed,
        **tally.metrics(),
        **{f"{name}_interval": ends for name, ends in intervals.items()},
        **tally.details(data.classes),
        "images": count,
        "data": data.title,
        "split": "test",
    }


def in_words(
    report: dict[str, Any], task: Task | None = None, metrics: Mapping[str, Metric] | None = None
) -> str:
    """Describe a report in one line, first the metrics with an interval.

    Args:
        report: Report of `report_on_test`.
        task: Task of the report; None: classification.
        metrics: Name -> metric of the report's task, where the task itself is not on this machine;
            None: those of `task`.
    """
    task = task or Classification()
    described = task.metrics if metrics is None else metrics
    names = [name for name in described if name in report]
    fields = []
    for name in sorted(names, key=lambda name: f"{name}_interval" not in report):
        title = task.title(name) if metrics is None else metrics[name].title_of(name)
        field = f"{title} {described[name].text(report[name])}"
        if f"{name}_interval" in report:
            low, high = (described[name].text(end) for end in report[f"{name}_interval"])
            field += f" (95%: {low} to {high})"
        fields.append(field)
    number = f"{report['tokens']} tokens" if "tokens" in report else f"{report['images']} images"
    return f"test {', '.join(fields)} on {number} of {report['data']}"
