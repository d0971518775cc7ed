"""Average precision against pycocotools, against plain loops, and in closed form."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from oneshot.data.scenes.scene import CROWD, DIFFICULT
from oneshot.tasks.detection.average_precision import (
    Matches,
    average_precision_coco,
    average_precision_voc,
    box_ious,
    match_coco,
    match_voc,
)

STORED = 0.23218904695976259
"""Mean average precision of the images below by pycocotools 2.0.11."""

Image = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Boxes, scores and classes of detections, and rows of objects."""


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.uniform(0, 60, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(4, 40, (count, 2))], 1)


def random_image(seed: int, flags: tuple[int, ...] = (0, 0, 0, CROWD), classes: int = 3) -> Image:
    """Objects, and detections that are objects moved a little, or anywhere."""
    rng = np.random.default_rng(seed)
    objects = random_boxes(rng, int(rng.integers(0, 9)))
    rows = np.column_stack(
        [objects, rng.integers(0, classes, len(objects)), rng.choice(flags, len(objects))]
    )
    labels = rng.integers(0, classes, 28)
    boxes = random_boxes(rng, 28)
    if len(objects):
        sources = rng.integers(0, len(objects), 20)
        boxes[:20] = objects[sources] + rng.normal(0, 2, (20, 4))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        labels[:20] = rows[sources, 4]
    # Rounded, so that some scores are equal.
    scores = rng.random(28).round(2)
    return boxes, scores, labels, rows


def matches_of(images: list[Image], label: int, match: object) -> list[Matches]:
    return [
        match(boxes[labels == label], scores[labels == label], rows[rows[:, 4] == label])  # type: ignore[operator]
        for boxes, scores, labels, rows in images
    ]


def by_pycocotools(images: list[Image], classes: int) -> np.ndarray:
    """COCO's average precision of each threshold and class, by pycocotools."""
    coco = pytest.importorskip("pycocotools.coco", reason="needs the extra dev")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    annotations: list[dict[str, Any]] = []
    results = []
    for number, (boxes, scores, labels, rows) in enumerate(images):
        for left, top, right, bottom, label, flag in rows.tolist():
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(label),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": int(flag == CROWD),
                }
            )
        for (left, top, right, bottom), score, label in zip(boxes, scores, labels, strict=True):
            results.append(
                {
                    "image_id": number,
                    "category_id": int(label),
                    "bbox": [left, top, right - left, bottom - top],
                    "score": float(score),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "images": [{"id": number} for number in range(len(images))],
            "annotations": annotations,
            "categories": [{"id": label} for label in range(classes)],
            "info": {},
        }
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    means: np.ndarray = precision.mean(1)
    return means


@pytest.mark.parametrize("seed", range(4))
def test_coco_equals_pycocotools_on_random_detections(seed: int) -> None:
    images = [random_image(100 * seed + number) for number in range(25)]

    values = [average_precision_coco(matches_of(images, label, match_coco)) for label in range(3)]

    expected = by_pycocotools(images, 3)
    assert 0.05 < expected.mean() < 0.95
    np.testing.assert_allclose(np.stack(values, 1), expected, atol=1e-6)


def test_coco_equals_stored_values_of_pycocotools() -> None:
    images = [random_image(900 + number) for number in range(25)]
    values = [average_precision_coco(matches_of(images, label, match_coco)) for label in range(3)]
    assert np.mean(values) == pytest.approx(STORED, abs=1e-6)


def test_coco_reads_the_best_hundred_detections_of_an_image() -> None:
    rng = np.random.default_rng(0)
    rows = np.array([[0, 0, 10, 10, 0, 0]], np.float64)
    boxes = np.concatenate([random_boxes(rng, 100) + 50, rows[:, :4]])
    scores = np.append(rng.uniform(0.5, 1, 100), 0.1)
    images: list[Image] = [(boxes, scores, np.zeros(101), rows)]

    value = average_precision_coco(matches_of(images, 0, match_coco))

    np.testing.assert_allclose(value, by_pycocotools(images, 1)[:, 0], atol=1e-6)
    assert not value.any()


def plain_voc(images: list[Image], label: int, eleven_points: bool) -> float:
    """The VOC devkit's evaluation as a loop."""
    objects = 0
    detections = []
    for number, (boxes, scores, labels, rows) in enumerate(images):
        objects += int(((rows[:, 4] == label) & (rows[:, 5] == 0)).sum())
        for box, score, mine in zip(boxes, scores, labels, strict=True):
            if mine == label:
                detections.append((score, number, box))
    detections.sort(key=lambda item: -item[0])
    right = wrong = 0
    curve = []
    taken: set[tuple[int, int]] = set()
    for _, number, box in detections:
        rows = images[number][3]
        mine = np.nonzero(rows[:, 4] == label)[0]
        overlaps = box_ious(box[None], rows[mine, :4], np.zeros(len(mine), bool))[0]
        best = int(overlaps.argmax()) if len(mine) else -1
        if best >= 0 and overlaps[best] >= 0.5:
            if rows[mine[best], 5]:
                continue
            if (number, best) not in taken:
                taken.add((number, best))
                right += 1
                curve.append((right / objects, right / (right + wrong)))
                continue
        wrong += 1
        curve.append((right / objects, right / (right + wrong)))
    if eleven_points:
        best_from = [
            max((p for r, p in curve if r >= point - 1e-12), default=0.0)
            for point in np.linspace(0, 1, 11)
        ]
        return float(np.mean(best_from))
    area = 0.0
    before = 0.0
    for index, (recall, _) in enumerate(curve):
        area += (recall - before) * max(p for _, p in curve[index:])
        before = recall
    return area


@pytest.mark.parametrize("eleven_points", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_voc_equals_a_plain_loop(seed: int, eleven_points: bool) -> None:
    images = [random_image(10 * seed + number, (0, 0, DIFFICULT)) for number in range(8)]
    for label in range(3):
        matches = matches_of(images, label, match_voc)
        (value,) = average_precision_voc(matches, eleven_points=eleven_points)
        assert value == pytest.approx(plain_voc(images, label, eleven_points), abs=1e-12)


def test_voc_of_weights_is_that_of_repeated_images() -> None:
    images = [random_image(number, (0, DIFFICULT)) for number in range(5)]
    weights = np.array([[1.0, 1, 1, 1, 1], [2, 0, 1, 0, 2], [0, 5, 0, 0, 0]])

    values = average_precision_voc(matches_of(images, 1, match_voc), weights)

    for value, row in zip(values, weights.astype(int), strict=True):
        repeated = [image for image, count in zip(images, row, strict=True) for _ in range(count)]
        (expected,) = average_precision_voc(matches_of(repeated, 1, match_voc))
        # Equal scores of repeated images are one point of the curve or several.
        assert value == pytest.approx(expected, abs=0.05)


def test_closed_forms() -> None:
    rows = np.array([[0, 0, 10, 10, 0, 0], [20, 0, 30, 10, 0, 0]], np.float64)
    boxes = np.array([[50, 50, 60, 60], [0, 0, 10, 10], [20, 0, 30, 10]], np.float64)
    image: Image = (boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3), rows)

    voc = matches_of([image], 0, match_voc)
    coco = matches_of([image], 0, match_coco)

    # Precisions 1/2 and 2/3 at the recalls 1/2 and 1, so that 2/3 is the interpolated one.
    assert average_precision_voc(voc).tolist() == pytest.approx([2 / 3])
    assert average_precision_voc(voc, eleven_points=True).tolist() == pytest.approx([2 / 3])
    assert average_precision_coco(coco).tolist() == pytest.approx([2 / 3] * 10)


def test_class_without_objects_has_no_precision() -> None:
    image: Image = (np.ones((1, 4)), np.ones(1), np.zeros(1), np.empty((0, 6)))
    assert np.isnan(average_precision_voc(matches_of([image], 0, match_voc))).all()
    assert np.isnan(average_precision_coco(matches_of([image], 0, match_coco))).all()
