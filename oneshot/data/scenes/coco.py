"""Folders in the layout of COCO: `annotations/instances_train2017.json` and `train2017`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oneshot.data.errors import InvalidData
from oneshot.data.images import ImageData
from oneshot.data.request import DataRequest
from oneshot.data.scenes.parts import BoxCheck, Part, scene_data
from oneshot.data.scenes.scene import CROWD, BoxTargets

PARTS = ("train", "val", "test")
PREFIX = "instances_"


def load(request: DataRequest) -> ImageData:
    """Read a folder with COCO's annotations of the parts `train`, and `val` or `test`.

    The images of `instances_train2017.json` are in `train2017`, `images/train2017` or `images`.
    Classes are the categories of the training part in the order of their numbers, which need not
    follow each other. Images without objects are kept.

    Raises:
        InvalidData: Files are missing or broken, or an object has an unknown category.
    """
    if request.path is None:
        raise InvalidData("coco needs a folder: write --data coco:FOLDER")

    root = request.path
    files = {
        part: path
        for part in PARTS
        for path in sorted((root / "annotations").glob(f"{PREFIX}{part}*.json"))[:1]
    }
    if "train" not in files:
        raise InvalidData(f"there is no {root / 'annotations' / f'{PREFIX}train*.json'}")

    documents = {part: _Document(path) for part, path in files.items()}
    categories = documents["train"].categories
    positions = {number: position for position, number in enumerate(sorted(categories))}
    check = BoxCheck("coco")
    parts = {}
    for part, document in documents.items():
        folder = _images_of(root, document.path)
        names = sorted(document.images.values(), key=lambda image: str(image["file_name"]))
        rows = document.rows(positions)
        parts[part] = Part(
            [f"{folder}/{image['file_name']}" for image in names],
            BoxTargets(
                [
                    check.add(
                        image["file_name"],
                        rows[image["id"]],
                        (int(image["width"]), int(image["height"])),
                    )
                    for image in names
                ]
            ),
        )
        _check_files(root, parts[part])
    check.warn()
    return scene_data(request, root, parts, [categories[number] for number in sorted(categories)])


class _Document:
    """An annotation file.

    Args:
        path: JSON file in COCO's format.

    Raises:
        InvalidData: The file is no JSON object with images, annotations and categories.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            self.images = {image["id"]: image for image in document["images"]}
            self.annotations = document["annotations"]
            self.categories = {
                int(item["id"]): str(item["name"]) for item in document["categories"]
            }
            for image in self.images.values():
                _ = image["file_name"], int(image["width"]), int(image["height"])
        except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
            raise InvalidData(
                f"{path} needs images (id, file_name, width, height), annotations and categories"
                f" (id, name): {type(error).__name__}: {error}"
            ) from error

    def rows(self, positions: Mapping[int, int]) -> dict[Any, list[tuple[float, ...]]]:
        """Return the objects of each image by its id.

        Args:
            positions: Position of each category's number among the classes.
        """
        rows: dict[Any, list[tuple[float, ...]]] = {number: [] for number in self.images}
        for item in self.annotations:
            try:
                left, top, width, height = map(float, item["bbox"])
                image, category = item["image_id"], item["category_id"]
            except (KeyError, TypeError, ValueError) as error:
                raise InvalidData(
                    f"{self.path}: an annotation needs image_id, category_id and bbox of four"
                    f" numbers, not {str(item)[:120]}"
                ) from error
            if category not in positions:
                raise InvalidData(f"{self.path}: an object has the unknown category {category!r}")
            if image not in rows:
                raise InvalidData(f"{self.path}: an object is of the unknown image {image!r}")

            flag = CROWD if item.get("iscrowd") else 0
            box = (left, top, left + width, top + height)
            rows[image].append((*box, positions[category], flag))
        return rows


def _images_of(root: Path, path: Path) -> str:
    """Return the folder of the images of an annotation file, relative to the root."""
    name = path.stem.removeprefix(PREFIX)
    for folder in (name, f"images/{name}", "images"):
        if (root / folder).is_dir():
            return folder
    raise InvalidData(f"{path} has no images: there is no folder {root / name}")


def _check_files(root: Path, part: Part) -> None:
    for file in part.files:
        if not (root / file).is_file():
            raise InvalidData(f"there is no image {root / file}, which the annotations name")
