"""Cross-entropy and accuracies with their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional


def wilson(top1: float, count: int, deviations: float = 1.96) -> tuple[float, float]:
    """Return Wilson's confidence interval of an accuracy, in percent.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Args:
        top1: Accuracy in percent.
        count: Number of images.
        deviations: Standard normal quantile; the default is that of the 95% interval.
    """
    accuracy = top1 / 100
    z2 = deviations**2
    centre = (accuracy + z2 / (2 * count)) / (1 + z2 / count)
    variance = accuracy * (1 - accuracy) / count + z2 / (4 * count**2)
    half = deviations / (1 + z2 / count) * math.sqrt(variance)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


@torch.no_grad()
def metrics(outputs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Return the mean cross-entropy (nats), and the top-1 and top-5 accuracy (percent).

    Top-5 counts all classes where these are fewer than five.

    Args:
        outputs: Logits [b, classes] and labels [b] of each batch.
    """
    losses = []
    first = []
    fifth = []
    count = 0
    for logits, labels in outputs:
        logits = logits.float()
        best = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
        losses.append(functional.cross_entropy(logits, labels, reduction="sum").double())
        first.append(best[:, 0].sum())
        fifth.append(best.sum())
        count += len(labels)

    # Read at the end: a value that is read in the loop would make the program wait for the GPU.
    sums = [torch.stack(values).sum().item() for values in (losses, first, fifth)]
    return {
        "cross_entropy": sums[0] / count,
        "top1": 100 * sums[1] / count,
        "top5": 100 * sums[2] / count,
    }
