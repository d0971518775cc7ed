"""Cross-entropy and accuracies, counted on the device."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional


def wilson(top1: float, count: int, deviations: float = 1.96) -> tuple[float, float]:
    """Wilson's 95% interval of a top-1 (percent) that was counted on `count` images, in percent.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    share, z2 = top1 / 100, deviations**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = (
        deviations / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    )
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


@torch.no_grad()
def metrics(outputs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Mean cross-entropy (nats), top-1 and top-5 (percent; of the classes there are, where these
    are fewer).

    Args:
        outputs: logits [b, classes] and labels [b] of each batch.
    """
    loss, first, fifth, count = [], [], [], 0
    for logits, labels in outputs:
        logits = logits.float()
        best = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
        loss.append(functional.cross_entropy(logits, labels, reduction="sum").double())
        first.append(best[:, 0].sum())
        fifth.append(best.sum())
        count += len(labels)
    # Read at the end: a value asked for in the loop would hold a GPU up.
    sums = [torch.stack(parts).sum().item() for parts in (loss, first, fifth)]
    return {
        "cross_entropy": sums[0] / count,
        "top1": 100 * sums[1] / count,
        "top5": 100 * sums[2] / count,
    }
