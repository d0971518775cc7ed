"""Classification of images or other inputs: one class each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional

from oneshot.errors import InvalidOption
from oneshot.tasks.registry import register_task
from oneshot.tasks.tally import INTERVAL, Tally
from oneshot.tasks.task import Task
from tables.metrics import QUALITIES, Metric

if TYPE_CHECKING:
    from oneshot.data.images import ImageData


@register_task("classification")
class Classification(Task):
    """One class for each input: cross-entropy, top-1 and top-5 accuracy.

    Outputs are logits [b, classes], targets are classes, int64 [b].

    Example:
        >>> import torch
        >>> Classification().loss(torch.zeros(3, 2), torch.tensor([0, 1, 1])).item()
        0.6931471824645996
    """

    metrics: ClassVar[Mapping[str, Metric]] = QUALITIES
    titles: ClassVar[Mapping[str, str]] = {
        "cross_entropy": "cross-entropy",
        "top1": "top-1",
        "top5": "top-5",
    }
    distils = True

    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the cross-entropy, with label smoothing."""
        return functional.cross_entropy(outputs, targets, label_smoothing=smoothing)

    def tally(self, device: torch.device) -> Tally:
        """Return an empty tally of the three metrics."""
        return _Tally()

    def monitor(self, device: torch.device) -> Tally:
        """Return an empty tally of correct predictions."""
        return _Correct()

    def rewards(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return for each input whether its class is predicted, bool [b]."""
        return outputs.argmax(1) == targets

    def check(self, data: ImageData) -> None:
        """Check that the targets are classes.

        Raises:
            InvalidOption: They are not integers [n].
        """
        labels = data.train.labels
        if not (isinstance(labels, Tensor) and labels.ndim == 1 and not labels.is_floating_point()):
            raise InvalidOption(
                f"task: classification needs one class for each input, which {data.title} does not"
                " have"
            )

    def soft_targets(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return a teacher's probabilities [b, classes]."""
        return outputs.detach().softmax(1)

    def distillation_loss(self, outputs: Tensor, soft: Tensor) -> Tensor:
        """Return the cross-entropy with a teacher's probabilities, which need no smoothing."""
        return functional.cross_entropy(outputs, soft)


class _Tally(Tally):
    """Mean cross-entropy (nats), and top-1 and top-5 accuracy (percent).

    Top-5 counts all classes where these are fewer than five.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._first: list[Tensor] = []
        self._fifth: list[Tensor] = []
        self._count = 0

    @torch.no_grad()
    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Add logits [b, classes] and classes [b]."""
        logits = outputs.float()
        best = logits.topk(min(5, logits.shape[1])).indices == targets[:, None]
        self._losses.append(functional.cross_entropy(logits, targets, reduction="sum").double())
        self._first.append(best[:, 0].sum())
        self._fifth.append(best.sum())
        self._count += len(targets)

    def merge(self) -> None:
        """Add up the sums of all processes."""
        if not self._count:
            return
        sums = torch.stack([values.double() for values in self._sums()])
        totals = torch.cat([sums, sums.new_tensor([self._count])])
        torch.distributed.all_reduce(totals)
        self._losses, self._first, self._fifth = ([total] for total in totals[:3])
        self._count = int(totals[3])

    def _sums(self) -> list[Tensor]:
        return [torch.stack(values).sum() for values in (self._losses, self._first, self._fifth)]

    def metrics(self) -> dict[str, float]:
        """Return the three metrics."""
        if not self._count:
            return {}
        losses, first, fifth = (total.item() for total in self._sums())
        return {
            "cross_entropy": losses / self._count,
            "top1": 100 * first / self._count,
            "top5": 100 * fifth / self._count,
        }

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return Wilson's interval of the top-1 accuracy."""
        metrics = self.metrics()
        return {"top1": wilson(metrics["top1"], self._count)} if metrics else {}


class _Correct(Tally):
    """Top-1 accuracy alone, which is cheap."""

    def __init__(self) -> None:
        self._correct: Tensor | None = None
        self._count = 0

    @torch.no_grad()
    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Add logits [b, classes] and classes [b]."""
        correct = (outputs.argmax(1) == targets).sum()
        self._correct = correct if self._correct is None else self._correct + correct
        self._count += len(targets)

    def merge(self) -> None:
        """Add up the counts of all processes, whose batches are equally large."""
        if self._correct is not None:
            torch.distributed.all_reduce(self._correct)
            self._count *= torch.distributed.get_world_size()

    def metrics(self) -> dict[str, float]:
        """Return the accuracy in percent."""
        return {} if self._correct is None else {"top1": 100 * self._correct.item() / self._count}


def wilson(top1: float, count: int, deviations: float = INTERVAL) -> tuple[float, float]:
    """Return Wilson's confidence interval of an accuracy, in percent.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Args:
        top1: Accuracy in percent.
        count: Number of inputs.
        deviations: Standard normal quantile; the default is that of the 95% interval.
    """
    accuracy = top1 / 100
    z2 = deviations**2
    centre = (accuracy + z2 / (2 * count)) / (1 + z2 / count)
    variance = accuracy * (1 - accuracy) / count + z2 / (4 * count**2)
    half = deviations / (1 + z2 / count) * math.sqrt(variance)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)
