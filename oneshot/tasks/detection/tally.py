"""Metrics of detections over a whole set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oneshot.data.padded import Padded
from oneshot.tasks.detection.average_precision import (
    Matches,
    average_precision_coco,
    average_precision_voc,
    match_coco,
    match_voc,
)
from oneshot.tasks.detection.suppression import Detections
from oneshot.tasks.gathering import gathered
from oneshot.tasks.resampling import SAMPLES, percentile_interval, resampled
from oneshot.tasks.tally import Tally

_LARGEST = 20_000_000
"""Number of values of a sampled curve that are in memory at a time."""


@dataclass(frozen=True)
class _Image:
    """Detections and objects of an image.

    Args:
        boxes: Detected boxes [k, 4].
        scores: Their scores [k].
        labels: Their classes, int [k].
        rows: Objects [n, 6].
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    rows: np.ndarray

    def matches(
        self, label: int, match: Callable[[np.ndarray, np.ndarray, np.ndarray], Matches]
    ) -> Matches:
        """Return the matches of one class."""
        mine = self.labels == label
        rows = self.rows[self.rows[:, 4] == label]
        return match(self.boxes[mine], self.scores[mine], rows)


class DetectionTally(Tally):
    """Mean average precisions, from the detections and objects of all images.

    Args:
        detections: Function of a network's outputs that returns the detections of each image.
    """

    def __init__(self, detections: Callable[[Any], list[Detections]]):
        self.detections = detections
        self._images: list[_Image] = []
        self._finite = True
        self._voc: list[list[Matches]] | None = None

    @torch.no_grad()
    def add(self, outputs: Any, targets: Padded) -> None:
        """Add outputs and objects, values [b, longest, 6]."""
        self._voc = None
        self._finite &= all(
            bool(value.isfinite().all()) for value in outputs.values() if value.is_floating_point()
        )
        for found, rows in zip(self.detections(outputs), targets.rows(), strict=True):
            # Doubles, as COCO's evaluation computes.
            boxes, scores, labels = (_array(tensor) for tensor in found)
            self._images.append(_Image(boxes, scores, labels, _array(rows)))

    def merge(self) -> None:
        """Gather the images of all processes."""
        self._voc = None
        parts = gathered((self._images, self._finite))
        self._images = [image for images, _ in parts for image in images]
        self._finite = all(finite for _, finite in parts)

    def metrics(self) -> dict[str, float]:
        """Return the metrics in percent; NaN where outputs are not finite."""
        if not self._images:
            return {}
        if not self._finite:
            return dict.fromkeys(("map50", "map50_11point", "map"), float("nan"))

        voc = self._voc_matches()
        coco = [average_precision_coco(matches) for matches in self._matches(match_coco)]
        return {
            "map50": _mean([average_precision_voc(matches) for matches in voc]),
            "map50_11point": _mean(
                [average_precision_voc(matches, eleven_points=True) for matches in voc]
            ),
            "map": _mean(coco),
        }

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95% interval of `map50` over samples of images with replacement."""
        if len(self._images) < 2 or not self._finite:
            return {}
        longest = max(1, sum(len(image.scores) for image in self._images))
        samples = max(200, min(SAMPLES, _LARGEST // longest))
        values = self.score_samples(resampled(len(self._images), samples))
        return {"map50": percentile_interval(values)}

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self._images)

    def score_samples(self, weights: np.ndarray) -> np.ndarray:
        """Return `map50` of samples of images in percent.

        Args:
            weights: How often each image is in each sample [samples, images].

        Returns:
            Values [samples], 0 without any object.
        """
        values = np.array(
            [average_precision_voc(matches, weights) for matches in self._voc_matches()]
        ).reshape(-1, len(weights))
        classes = (~np.isnan(values)).sum(0)
        means: np.ndarray = 100 * np.nansum(values, 0) / np.maximum(classes, 1)
        return means

    def details(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the average precision at .5 of each class in percent; None: it has no object."""
        values = {}
        for number, matches in enumerate(self._voc_matches()):
            name = classes[number] if number < len(classes) else str(number)
            value = float(average_precision_voc(matches)[0])
            values[name] = None if np.isnan(value) else 100 * value
        return {"ap50": values}

    def _voc_matches(self) -> list[list[Matches]]:
        """Return VOC's matches, which metrics, intervals and details of the same images share."""
        if self._voc is None:
            self._voc = self._matches(match_voc)
        return self._voc

    def _matches(
        self, match: Callable[[np.ndarray, np.ndarray, np.ndarray], Matches]
    ) -> list[list[Matches]]:
        """Return for each class the matches of all images."""
        return [
            [image.matches(label, match) for image in self._images]
            for label in range(self._num_classes())
        ]

    def _num_classes(self) -> int:
        """Return one more than the greatest class of objects; others have no precision."""
        labels = [image.rows[:, 4].max() for image in self._images if len(image.rows)]
        return int(max(labels)) + 1 if labels else 0


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.cpu().double().numpy()
    return array


def _mean(values: list[np.ndarray]) -> float:
    """Return the mean over classes with objects, and thresholds, in percent; 0 without classes."""
    present = [value for value in values if not np.isnan(value).any()]
    return 100 * float(np.mean(present)) if present else 0.0
