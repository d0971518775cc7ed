"""Non-maximum suppression: of boxes of one class that overlap much, the best one stays."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from oneshot.tasks.detection.boxes import ious


class Detections(NamedTuple):
    """Objects found in an image, the most probable one first.

    Args:
        boxes: Left, top, right and bottom in pixels of the network's input [k, 4].
        scores: Probabilities [k].
        labels: Classes, int64 [k].
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def suppress(boxes: Tensor, scores: Tensor, labels: Tensor, overlap: float) -> Tensor:
    """Return the indices of the boxes that stay, the best one first.

    A box stays unless its IoU with a better one of its class that stays exceeds the limit. In
    place of a loop over boxes, all are decided at once from the decisions of the step before,
    until none changes: that fixed point is unique, and the result of the loop.

    Args:
        boxes: Boxes [n, 4].
        scores: Scores [n]; of equal ones the first is better.
        labels: Classes [n].
        overlap: Greatest IoU.

    Example:
        >>> import torch
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
        >>> suppress(boxes, torch.tensor([0.8, 0.9, 0.1]), torch.zeros(3), 0.5).tolist()
        [1, 2]
    """
    order = scores.argsort(descending=True, stable=True)
    classes = labels[order]
    matrix = ious(boxes[order], boxes[order]) > overlap
    better = (matrix & (classes[:, None] == classes[None])).triu(1).to(boxes.dtype)

    # better[i, j]: i would suppress j if it stays. Each step settles at least one more box.
    stays = torch.ones_like(scores)
    while True:
        following = (stays @ better == 0).to(boxes.dtype)
        if torch.equal(following, stays):
            return order[stays.bool()]
        stays = following


def candidates(boxes: Tensor, probabilities: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the most probable pairs of a location and a class of each image.

    Args:
        boxes: Boxes of the locations [b, locations, 4].
        probabilities: Probability of each class [b, locations, classes].
        count: Greatest number of pairs.

    Returns:
        Boxes [b, k, 4], probabilities [b, k] in descending order, and classes [b, k].
    """
    classes = probabilities.shape[2]
    count = min(count, probabilities.shape[1] * classes)
    scores, indices = probabilities.flatten(1).topk(count, 1)
    rows = indices // classes
    chosen = boxes.gather(1, rows[:, :, None].expand(-1, -1, 4))
    return chosen, scores, indices % classes


def detect(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    *,
    confidence: float,
    overlap: float,
    limit: int,
) -> Detections:
    """Return the objects of one image from its candidates.

    Args:
        boxes: Boxes [k, 4].
        scores: Probabilities [k].
        labels: Classes [k].
        confidence: Least probability.
        overlap: Greatest IoU of two objects of one class.
        limit: Greatest number of objects.
    """
    probable = scores > confidence
    boxes, scores, labels = boxes[probable], scores[probable], labels[probable]
    stay = suppress(boxes, scores, labels, overlap)[:limit]
    return Detections(boxes[stay], scores[stay], labels[stay])
