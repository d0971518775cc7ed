"""A detector as a file holds it: with decoded boxes and suppression inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oneshot.tasks.detection.average_precision import box_ious
from oneshot.tasks.detection.suppression import Detections

if TYPE_CHECKING:
    from oneshot.tasks.detection.task import Detection

SAME = 0.99
"""IoU from which on two found objects of one class are the same."""

NOTHING = -1
"""Label of rows without an object."""


class ExportedDetector(nn.Module):
    """A detector that returns the found objects of each image, in as many rows for all images.

    Outputs are `boxes` [b, k, 4] in pixels of the input, `scores` [b, k] and `labels` [b, k], the
    best object first; rows beyond the found objects are 0 and have the label -1.

    Args:
        network: Network with a head of boxes.
        task: Task that is bound to the network's space.
    """

    def __init__(self, network: nn.Module, task: Detection):
        super().__init__()
        self.network = network
        self.task = task

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the found objects."""
        outputs = self.network(images)
        if not torch.compiler.is_exporting():
            rows = self._rows(self.task.candidates(outputs)[1].shape[1])
            return self._in_rows(self.task.detections(outputs), rows)

        boxes, scores, labels = self.task.candidates(outputs)
        valid = suppressed(boxes, scores, labels, self.task)
        return _first_rows(boxes, scores, labels, valid, self._rows(scores.shape[1]))

    def difference(
        self, outputs: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]
    ) -> float:
        """Return how far found objects differ from the expected ones.

        Objects whose scores are equal to the last digits may be in any order, so that boxes are
        compared as sets.

        Args:
            outputs: Boxes, scores and labels.
            expected: The same of torch.

        Returns:
            The greatest difference of scores, or the fraction of objects that only one has, if that
            is greater.
        """
        scores = float(np.abs(outputs[1] - expected[1]).max(initial=0))
        missing = total = 0
        for image in zip(*outputs, *expected, strict=True):
            for first, second in ((image[:3], image[3:]), (image[3:], image[:3])):
                missing += _missing(first, second)
                total += int((first[2] >= 0).sum())
        return max(scores, missing / max(1, total))

    def _rows(self, candidates: int) -> int:
        return min(self.task.limit, candidates)

    def _in_rows(self, found: Sequence[Detections], rows: int) -> dict[str, Tensor]:
        """Return found objects in as many rows as a file has."""
        outputs: dict[str, list[Tensor]] = {"boxes": [], "scores": [], "labels": []}
        for item in found:
            count = rows - len(item.scores)
            outputs["boxes"].append(torch.cat([item.boxes, item.boxes.new_zeros(count, 4)]))
            outputs["scores"].append(torch.cat([item.scores, item.scores.new_zeros(count)]))
            outputs["labels"].append(
                torch.cat([item.labels, item.labels.new_full((count,), NOTHING)])
            )
        return {name: torch.stack(values) for name, values in outputs.items()}


def suppressed(boxes: Tensor, scores: Tensor, labels: Tensor, task: Detection) -> Tensor:
    """Return which candidates are found objects, 1 or 0 [b, k], by ONNX's own suppression.

    Exporters know no loop until nothing changes, and one over candidates would take longer than
    the network. Outside of an export the operators cannot run.

    Args:
        boxes: Boxes [b, k, 4].
        scores: Probabilities [b, k].
        labels: Classes [b, k].
        task: Task with the limits, bound to a space.
    """
    count = scores.shape[1]
    # Boxes of different classes are moved apart, since ONNX compares all boxes of an image.
    apart = boxes + (labels * (1 + max(task.image))).to(boxes.dtype)[:, :, None]
    triples = _operator(
        "NonMaxSuppression",
        (
            apart,
            scores[:, None],
            torch.tensor([count]),
            torch.tensor([task.overlap]),
            torch.tensor([task.confidence]),
        ),
        (count, 3),
    )

    # Rows of (image, 0, candidate); the number of rows depends on the boxes.
    pairs = _operator("Gather", (triples, torch.tensor([0, 2])), (count, 2), axis=1)
    zeros = _operator("Mul", (triples, torch.tensor(0)), (count, 3))
    first = _operator("Gather", (zeros, torch.tensor(0)), (count,), axis=1)
    ones = _operator("Gather", (torch.ones(1), first), (count,), torch.float32, axis=0)
    shape = (scores.shape[0], count)
    return _operator("ScatterND", (torch.zeros_like(scores), pairs, ones), shape, torch.float32)


def _operator(
    name: str,
    inputs: tuple[Tensor, ...],
    shape: Sequence[int | torch.SymInt],
    dtype: torch.dtype = torch.int64,
    **attributes: int,
) -> Tensor:
    """Return the output of an ONNX operator, for the exporter alone."""
    output: Tensor = torch.onnx.ops.symbolic(
        name, inputs, {**attributes}, dtype=dtype, shape=shape, version=18
    )
    return output


def _first_rows(
    boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor, count: int
) -> dict[str, Tensor]:
    """Return the first `count` valid candidates of each image; others are 0 with the label -1."""
    # By position rather than by score, so that equal scores stay in their order.
    positions = torch.arange(scores.shape[1], dtype=scores.dtype)
    order = (positions - valid * scores.shape[1]).topk(count, 1, largest=False).indices
    found = valid.gather(1, order)
    return {
        "boxes": boxes.gather(1, order[:, :, None].expand(-1, -1, 4)) * found[:, :, None],
        "scores": scores.gather(1, order) * found,
        "labels": torch.where(found > 0, labels.gather(1, order), NOTHING),
    }


def _missing(first: Sequence[NDArray[Any]], second: Sequence[NDArray[Any]]) -> int:
    """Return the number of objects of an image that another list of objects lacks.

    Args:
        first: Boxes, scores and labels.
        second: Those in which the objects are sought.
    """
    real = first[2] >= 0
    if not real.any():
        return 0
    overlaps = box_ious(first[0][real], second[0], np.zeros(len(second[0]), bool))
    same = (overlaps >= SAME) & (first[2][real][:, None] == second[2][None])
    return int((~same.any(1)).sum())
