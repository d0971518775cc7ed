"""Average precision of detections, as the VOC devkit and COCO's evaluation define it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oneshot.data.scenes.scene import CROWD

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoUs at which COCO's evaluation matches objects."""

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which COCO's evaluation reads the precision."""

MOST = 100
"""Number of detections of an image and a class that COCO's evaluation reads, the best ones."""


@dataclass(frozen=True)
class Matches:
    """Detections of one class in one image, and whether each found an object.

    Args:
        scores: Scores of the detections in descending order [k].
        found: Whether a detection found an object that counts, bool [..., k].
        ignored: Whether it counts neither as right nor as wrong, bool [..., k].
        objects: Number of objects that count.
    """

    scores: np.ndarray
    found: np.ndarray
    ignored: np.ndarray
    objects: int


def box_ious(detections: np.ndarray, objects: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return the IoU of each detection with each object, float64 [k, n].

    Args:
        detections: Boxes [k, 4].
        objects: Boxes [n, 4].
        crowd: Which objects are crowds, bool [n]; for these the intersection is divided by the area
            of the detection.
    """
    low = np.maximum(detections[:, None, :2], objects[None, :, :2])
    high = np.minimum(detections[:, None, 2:], objects[None, :, 2:])
    common = (high - low).clip(0).prod(2)
    areas = (detections[:, 2:] - detections[:, :2]).prod(1)[:, None]
    union = np.where(crowd, areas, areas + (objects[:, 2:] - objects[:, :2]).prod(1) - common)
    overlaps: np.ndarray = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return overlaps


def match_voc(
    detections: np.ndarray, scores: np.ndarray, rows: np.ndarray, threshold: float = 0.5
) -> Matches:
    """Match detections of one class in one image as the VOC devkit does.

    A detection belongs to the object with which it overlaps most. The first one with an IoU above
    the threshold finds it, further ones are wrong, and those of difficult objects do not count.

    Args:
        detections: Boxes [k, 4].
        scores: Scores [k].
        rows: Objects of the class [n, 6], as in `oneshot.data.scenes.scene.Scene`.
        threshold: Least IoU.
    """
    order = np.argsort(-scores, kind="stable")
    flagged = rows[:, 5] > 0
    found = np.zeros(len(order), bool)
    ignored = np.zeros(len(order), bool)
    if len(rows) and len(order):
        overlaps = box_ious(detections[order], rows[:, :4], np.zeros(len(rows), bool))
        best = overlaps.argmax(1)
        matched = overlaps.max(1) >= threshold
        ignored = matched & flagged[best]
        # The first detection of each object.
        (indices,) = np.nonzero(matched & ~ignored)
        _, first = np.unique(best[indices], return_index=True)
        found[indices[first]] = True

    return Matches(scores[order], found, ignored, int((~flagged).sum()))


def match_coco(detections: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> Matches:
    """Match detections of one class in one image as COCO's evaluation does, at each threshold.

    Detections take, in the order of their scores, the object with the greatest IoU that is free;
    objects that count come before those that do not. Crowds may be taken several times.

    Args:
        detections: Boxes [k, 4].
        scores: Scores [k].
        rows: Objects of the class [n, 6].

    Returns:
        Matches with a row for each of `THRESHOLDS`.
    """
    order = np.argsort(-scores, kind="stable")[:MOST]
    # Objects that count first, otherwise in their order.
    rows = rows[np.argsort(rows[:, 5] > 0, kind="stable")]
    crowd = rows[:, 5] == CROWD
    flagged = rows[:, 5] > 0
    found = np.zeros((len(THRESHOLDS), len(order)), bool)
    ignored = np.zeros_like(found)

    if len(rows) and len(order):
        overlaps = box_ious(detections[order], rows[:, :4], crowd)
        free = np.ones((len(THRESHOLDS), len(rows)), bool)
        steps = np.arange(len(THRESHOLDS))
        for number, values in enumerate(overlaps):
            possible = (free | crowd) & (values >= np.minimum(THRESHOLDS, 1 - 1e-10)[:, None])
            # An object that does not count is taken only where none that counts is possible.
            possible &= ~(flagged & (possible & ~flagged).any(1, keepdims=True))
            # Of equal IoUs the last one, as in COCO's loop.
            last = len(rows) - 1 - np.where(possible, values, -1)[:, ::-1].argmax(1)
            taken = possible[steps, last]
            free[steps[taken], last[taken]] = False
            ignored[:, number] = taken & flagged[last]
            found[:, number] = taken & ~flagged[last]

    return Matches(scores[order], found, ignored, int((~flagged).sum()))


def average_precision_coco(matches: Sequence[Matches]) -> np.ndarray:
    """Return COCO's average precision at each of `THRESHOLDS` for one class; NaN without objects.

    It is the mean of the interpolated precision at 101 recalls.

    Args:
        matches: Matches of `match_coco` in each image.
    """
    objects = sum(match.objects for match in matches)
    if not objects:
        return np.full(len(THRESHOLDS), np.nan)

    order = np.argsort(-np.concatenate([match.scores for match in matches]), kind="stable")
    found = np.concatenate([match.found for match in matches], 1)[:, order]
    ignored = np.concatenate([match.ignored for match in matches], 1)[:, order]

    values = np.zeros(len(THRESHOLDS))
    for row in range(len(THRESHOLDS)):
        right = np.cumsum(found[row], dtype=np.float64)
        wrong = np.cumsum(~found[row] & ~ignored[row], dtype=np.float64)
        precision = right / (right + wrong + np.spacing(1))
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        index = np.searchsorted(right / objects, RECALLS, side="left")
        # Recalls that are never reached have the precision 0.
        values[row] = np.append(envelope, 0.0)[np.minimum(index, len(envelope))].mean()
    return values


def average_precision_voc(
    matches: Sequence[Matches], weights: np.ndarray | None = None, eleven_points: bool = False
) -> np.ndarray:
    """Return VOC's average precision of one class; NaN without objects.

    Args:
        matches: Matches of `match_voc` in each image.
        weights: How often each image counts in each sample [samples, n]; None: once, in a single
            sample.
        eleven_points: Whether the interpolated precision is averaged over the recalls 0, .1, ..., 1
            (VOC until 2009) rather than over the whole curve.

    Returns:
        Values [samples].
    """
    weights = np.ones((1, len(matches))) if weights is None else weights
    images = np.repeat(np.arange(len(matches)), [len(match.scores) for match in matches])
    order = np.argsort(-np.concatenate([match.scores for match in matches]), kind="stable")
    found = np.concatenate([match.found for match in matches])[order]
    ignored = np.concatenate([match.ignored for match in matches])[order]

    counts = weights[:, images[order]]
    right = np.cumsum(counts * found, 1)
    wrong = np.cumsum(counts * (~found & ~ignored), 1)
    objects = weights @ np.array([match.objects for match in matches], np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = right / objects[:, None]
        precision = np.nan_to_num(right / (right + wrong))
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]

    if eleven_points:
        total = np.zeros(len(weights))
        for point in np.linspace(0, 1, 11):
            # A tolerance, since a recall of .3 is not always the nearest number to .3.
            reached = np.where(recall >= point - 1e-12, precision, 0)
            total += reached.max(1, initial=0) / 11
        values = total
    else:
        values = (np.diff(recall, axis=1, prepend=0) * envelope).sum(1)
    result: np.ndarray = np.where(objects > 0, values, np.nan)
    return result
