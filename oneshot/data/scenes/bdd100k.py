"""BDD100K's boxes (Yu et al., CVPR 2020, arXiv 1805.04687): a JSON list of images a part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oneshot.data.errors import InvalidData
from oneshot.data.images import ImageData
from oneshot.data.request import DataRequest
from oneshot.data.scenes.parts import BoxCheck, Part, read_classes, scene_data
from oneshot.data.scenes.scene import CROWD, BoxTargets

PARTS = ("train", "val")
"""The test part has no published labels."""

LABELS = (
    "labels/det_20/det_{part}.json",
    "labels/bdd100k_labels_images_{part}.json",
    "det_{part}.json",
)
"""Files of the labels of 2020 and 2018, below the data set's folder."""

IMAGES = ("images/100k/{part}", "images/{part}", "{part}")


def load(request: DataRequest) -> ImageData:
    """Read a folder with BDD100K's labels and images of the parts `train` and `val`.

    Classes are the categories of the training part's boxes in alphabetical order, or those of
    `classes.txt`. Labels without a box, such as lanes, are left out; images without boxes are kept.

    Raises:
        InvalidData: Files are missing or broken, or an object has an unknown category.
    """
    if request.path is None:
        raise InvalidData("bdd100k needs a folder: write --data bdd100k:FOLDER")

    root = request.path
    documents = {part: _read_labels(root, part) for part in PARTS}
    classes = read_classes(root) or sorted(
        {str(category) for image in documents["train"] for category, *_ in image[1]}
    )
    check = BoxCheck("bdd100k")
    parts = {}
    for part, images in documents.items():
        folder = _existing(root, IMAGES, part)
        files = [f"{folder}/{name}" for name, _ in images]
        rows = [
            check.add(file, _rows(file, objects, classes), _size(root / file))
            for file, (_, objects) in zip(files, images, strict=True)
        ]
        parts[part] = Part(files, BoxTargets(rows))

    check.warn()
    return scene_data(request, root, parts, classes)


_Object = tuple[str, float, float, float, float, int]
"""Category, left, top, right, bottom and flag."""


def _read_labels(root: Path, part: str) -> list[tuple[str, list[_Object]]]:
    """Return the name and the objects of each image of a part, by name."""
    path = root / _existing(root, LABELS, part)
    try:
        images = json.loads(path.read_text(encoding="utf-8"))
        named = [(str(image["name"]), _objects(image.get("labels") or ())) for image in images]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InvalidData(
            f"{path} needs a list of images with name and labels of category and box2d (x1, y1, x2,"
            f" y2): {type(error).__name__}: {error}"
        ) from error
    return sorted(named, key=lambda image: image[0])


def _objects(labels: Any) -> list[_Object]:
    objects = []
    for label in labels:
        # Lanes and areas are polygons.
        if label.get("box2d") is None:
            continue
        left, top, right, bottom = (
            float(label["box2d"][edge]) for edge in ("x1", "y1", "x2", "y2")
        )
        is_crowd = bool((label.get("attributes") or {}).get("crowd"))
        objects.append((str(label["category"]), left, top, right, bottom, CROWD if is_crowd else 0))
    return objects


def _rows(file: str, objects: list[_Object], classes: list[str]) -> list[tuple[float, ...]]:
    rows = []
    for category, *box, flag in objects:
        if category not in classes:
            raise InvalidData(
                f"{file}: an object has the unknown category {category!r}; known are"
                f" {', '.join(classes)}"
            )
        rows.append((*box, classes.index(category), flag))
    return rows


def _existing(root: Path, names: tuple[str, ...], part: str) -> str:
    """Return the first of several files or folders of a part that exists."""
    candidates = [name.format(part=part) for name in names]
    for candidate in candidates:
        if (root / candidate).exists():
            return candidate
    raise InvalidData(f"{root} holds none of {', '.join(candidates)}")


def _size(path: Path) -> tuple[int, int]:
    """Return the width and height of an image, of which the labels say nothing."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError as error:
        raise InvalidData(f"there is no image {path}, which the labels name") from error
    except (OSError, UnidentifiedImageError) as error:
        raise InvalidData(f"{path} is no image: {error}") from error
