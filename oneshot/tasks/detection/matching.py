"""Assignment of objects to the locations that should predict them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from oneshot.tasks.detection.boxes import ious

POSITIVE, NEGATIVE = 0.5, 0.4
"""IoU from which on an anchor predicts an object, and below which it predicts none."""

CANDIDATES = 9
"""Locations of each level that ATSS considers for an object."""


@dataclass(frozen=True)
class Assignment:
    """Object that each location of an image should predict.

    Args:
        objects: Index of the object, int64 [locations]; meaningless where `positive` is false.
        positive: Whether the location predicts an object, bool [locations].
        negative: Whether it predicts the background; locations that are neither do not count.
    """

    objects: Tensor
    positive: Tensor
    negative: Tensor


def match_anchors(anchors: Tensor, boxes: Tensor, left_out: Tensor) -> Assignment:
    """Assign objects to anchors by their IoU, as SSD does (arXiv 1512.02325, section 2.2).

    An anchor predicts the object with the greatest IoU from .5 on, and none below .4; between them
    it does not count. The best anchor of an object predicts it at any IoU.

    Args:
        anchors: Anchors [locations, 4].
        boxes: Objects [n, 4].
        left_out: Boxes of objects that count neither way [m, 4], such as difficult ones.
    """
    overlaps = ious(anchors, boxes)
    if not len(boxes):
        overlaps = anchors.new_zeros(len(anchors), 1)
    best, objects = overlaps.max(1)
    positive = best >= POSITIVE
    negative = best < NEGATIVE

    if len(boxes):
        # In descending order of indices, so that the first object has an anchor that two want.
        own = overlaps.argmax(0).flip(0)
        objects[own] = torch.arange(len(boxes), device=boxes.device).flip(0)
        positive[own] = True

    negative &= ~positive & ~_covered(anchors, left_out)
    return Assignment(objects, positive, negative)


def match_adaptively(
    centres: Tensor, strides: Tensor, levels: Tensor, boxes: Tensor, left_out: Tensor
) -> Assignment:
    """Assign objects to locations by adaptive thresholds (ATSS, Zhang et al., arXiv 1912.02424).

    For each object the nearest locations of each level are candidates. Those whose square of eight
    strides has an IoU of at least the mean plus the standard deviation of all candidates', and
    whose centre is in the object, predict it. Of several objects a location predicts the one with
    the greatest IoU. Where no candidate reaches the threshold, as of small objects on two levels,
    it is the greatest IoU of those whose centre is in the object.

    Args:
        centres: Centre of each location in pixels [locations, 2].
        strides: Stride of each location in pixels [locations].
        levels: Index of each location's level, int64 [locations].
        boxes: Objects [n, 4].
        left_out: Boxes of objects that count neither way [m, 4].
    """
    squares = torch.cat([centres - 4 * strides[:, None], centres + 4 * strides[:, None]], 1)
    count = len(centres)
    if not len(boxes):
        nothing = torch.zeros(count, dtype=torch.bool, device=centres.device)
        objects = torch.zeros(count, dtype=torch.int64, device=centres.device)
        return Assignment(objects, nothing, ~_covered(squares, left_out))

    overlaps = ious(squares, boxes)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    distances = torch.cdist(centres, middles)
    candidates = torch.zeros_like(overlaps, dtype=torch.bool)
    for level in range(int(levels.max()) + 1):
        (indices,) = torch.where(levels == level)
        nearest = distances[indices].topk(min(CANDIDATES, len(indices)), 0, largest=False).indices
        candidates.scatter_(0, indices[nearest], True)

    # Each object has as many candidates, so that a column's candidates form a matrix.
    values = overlaps.T[candidates.T].view(len(boxes), -1)
    thresholds = values.mean(1) + values.std(1)
    inside = (
        (centres[:, None] > boxes[None, :, :2]) & (centres[:, None] < boxes[None, :, 2:])
    ).all(2)
    possible = candidates & inside
    thresholds = torch.minimum(thresholds, torch.where(possible, overlaps, 0).amax(0))
    chosen = possible & (overlaps >= thresholds)

    # At least a little above 0, so that a location with no overlap is told from none at all.
    best, objects = torch.where(chosen, overlaps + 1, 0).max(1)
    positive = best > 0
    return Assignment(objects, positive, ~positive & ~_covered(squares, left_out))


def _covered(boxes: Tensor, others: Tensor) -> Tensor:
    """Return which boxes overlap any other one as much as a match would, bool [n]."""
    if not len(others):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    return ious(boxes, others).amax(1) >= NEGATIVE
