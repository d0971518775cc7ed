"""The accuracy of a network on test images, which no decision depended on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.data.images import ImageData
from oneshot.evaluation.metrics import metrics, wilson

_BATCH = 250


def report_on_test(
    model: nn.Module, data: ImageData, device: torch.device | None = None
) -> dict[str, Any]:
    """Test a model on the test part of a data set.

    Args:
        model: Maps images to logits.
        data: Data set with the test part.
        device: Device of the model; None for the CPU.

    Returns:
        cross_entropy (nats), top1 and top5 (percent), the 95% Wilson interval of top1, and images,
        data and split.
    """
    device = device or torch.device("cpu")
    model.to(device).eval()
    count = 0

    def outputs() -> Iterator[tuple[Tensor, Tensor]]:
        nonlocal count
        for images, labels in data.test.batches(_BATCH):
            count += len(labels)
            yield model(images.to(device)), labels.to(device)

    test_metrics = metrics(outputs())
    low, high = wilson(test_metrics["top1"], count)
    return {
        **test_metrics,
        "top1_interval": [low, high],
        "images": count,
        "data": data.title,
        "split": "test",
    }


def in_words(report: dict[str, Any]) -> str:
    """Describe a report in one line."""
    low, high = report["top1_interval"]
    top5 = f", top-5 {report['top5']:.2f}" if "top5" in report else ""
    return (
        f"test top-1 {report['top1']:.2f} (95%: {low:.2f} to {high:.2f}){top5}, cross-entropy "
        f"{report['cross_entropy']:.4f} on {report['images']} images of {report['data']}"
    )
