"""BDD100K's labels: boxes in pixels of the input, crowds, and the mistakes of such files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from oneshot.data import load
from oneshot.data.errors import InvalidData
from oneshot.data.images import ImageData
from oneshot.data.scenes.scene import CROWD

SHAPE = (3, 40, 40)


def label(category: str, box: tuple[int, int, int, int], **attributes: Any) -> dict[str, Any]:
    corners = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    return {"category": category, "box2d": corners, "attributes": attributes}


LABELS = {
    "a.jpg": [
        label("car", (4, 5, 14, 15)),
        label("rider", (20, 10, 38, 28), crowd=True),
        {"category": "lane", "poly2d": [[0, 0], [1, 1]]},
    ],
    "b.jpg": None,
    "c.jpg": [label("car", (1, 1, 30, 20))],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same images for training and for validation, in the layout of 2020."""
    for part in ("train", "val"):
        images = tmp_path / "images" / "100k" / part
        images.mkdir(parents=True)
        for seed, name in enumerate(LABELS):
            pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(images / name)
        write(tmp_path, part, [{"name": name, "labels": rows} for name, rows in LABELS.items()])
    return tmp_path


def write(root: Path, part: str, document: object) -> None:
    path = root / "labels" / "det_20" / f"det_{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def read(folder: Path) -> ImageData:
    return load(f"bdd100k:{folder}", SHAPE, workers=0, validation=1)


def test_boxes_are_in_pixels_of_the_input(folder: Path) -> None:
    data = read(folder)
    images, targets = data.test.tensors()

    # Lanes are no class: they have no box.
    assert data.classes == ("car", "rider")
    assert images.shape == (3, *SHAPE)
    # Letterboxed: five rows above and below.
    assert targets.rows()[0].tolist() == [[4, 10, 14, 20, 0, 0], [20, 15, 38, 33, 1, CROWD]]
    assert targets.rows()[1].shape == (0, 6)


def test_labels_of_2018_are_read_too(folder: Path) -> None:
    expected = read(folder).test.tensors()[1].rows()
    for part in ("train", "val"):
        old = folder / "labels" / "det_20" / f"det_{part}.json"
        old.rename(folder / "labels" / f"bdd100k_labels_images_{part}.json")
    found = read(folder).test.tensors()[1].rows()
    assert [rows.tolist() for rows in found] == [rows.tolist() for rows in expected]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"images": []}, "needs a list of images"),
        ([{"labels": []}], "'name'"),
        ([{"name": "a.jpg", "labels": [{"category": "car", "box2d": {"x1": 1}}]}], "'y1'"),
        ([{"name": "a.jpg", "labels": [label("boat", (1, 1, 5, 5))]}], "unknown category 'boat'"),
        ([{"name": "z.jpg", "labels": []}], "there is no image"),
    ],
)
def test_mistakes_are_named(folder: Path, document: object, named: str) -> None:
    write(folder, "val", document)
    with pytest.raises(InvalidData, match=named):
        read(folder)


def test_missing_labels_are_named(folder: Path) -> None:
    (folder / "labels" / "det_20" / "det_val.json").unlink()
    with pytest.raises(InvalidData, match=r"det_20/det_val\.json"):
        read(folder)
