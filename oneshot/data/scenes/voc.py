"""Folders in the layout of Pascal VOC: `JPEGImages`, `Annotations` and `ImageSets/Main`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from oneshot.data.errors import InvalidData
from oneshot.data.folder import images_below
from oneshot.data.images import ImageData
from oneshot.data.request import DataRequest
from oneshot.data.scenes.parts import BoxCheck, Part, read_classes, scene_data
from oneshot.data.scenes.scene import DIFFICULT, BoxTargets

PARTS = ("train", "val", "test")
IMAGES, ANNOTATIONS, SETS = "JPEGImages", "Annotations", Path("ImageSets", "Main")

Named = tuple[str, float, float, float, float, int]
"""Class, left, top, right, bottom and flag of an object."""


def load(request: DataRequest) -> ImageData:
    """Read one or several folders of Pascal VOC's layout, whose parts join.

    Classes are those of the training part in alphabetical order, or those of `classes.txt` in the
    first folder. Images without objects are kept.

    Raises:
        InvalidData: Files are missing or broken, or an object has an unknown class.
    """
    if not request.paths:
        raise InvalidData("voc needs a folder: write --data voc:FOLDER[,FOLDER...]")

    roots = [_root_of(path) for path in request.paths]
    root = Path(os.path.commonpath([path.resolve() for path in roots]))
    objects: dict[str, list[tuple[str, Annotation]]] = {part: [] for part in PARTS}
    for folder in roots:
        for part in PARTS:
            objects[part] += _read_part(root, folder.resolve(), part)

    classes = read_classes(roots[0])
    if classes is None:
        classes = sorted({item[0] for _, found in objects["train"] for item in found.objects})
    check = BoxCheck(request.name.partition(":")[0])
    parts = {
        part: Part(
            [file for file, _ in images],
            BoxTargets([found.rows(file, classes, check) for file, found in images]),
        )
        for part, images in objects.items()
        if images
    }
    check.warn()
    return scene_data(request, root, parts, classes)


class Annotation:
    """Objects of an image, and its size, as an annotation file has them.

    Args:
        path: XML file in VOC's format.

    Raises:
        InvalidData: The file is missing, no XML, or lacks a field.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            tree = ElementTree.fromstring(path.read_bytes())
        except OSError as error:
            raise InvalidData(f"{path}: {error.strerror or error}") from error
        except ElementTree.ParseError as error:
            raise InvalidData(f"{path} is no XML file: {error}") from error

        self.size = (
            round(self._number(tree, "size/width")),
            round(self._number(tree, "size/height")),
        )
        self.objects = [self._object(item) for item in tree.iter("object")]

    def rows(self, file: str, classes: Sequence[str], check: BoxCheck) -> np.ndarray:
        """Return the boxes of the image, float [n, 6]; see `Scene`.

        Raises:
            InvalidData: A class is unknown.
        """
        rows = []
        for name, *box, flag in self.objects:
            if name not in classes:
                raise InvalidData(
                    f"{self.path}: an object has the unknown class {name!r}; known are"
                    f" {', '.join(classes)}"
                )
            rows.append((*box, classes.index(name), flag))
        return check.add(file, rows, self.size)

    def _object(self, item: ElementTree.Element) -> Named:
        left, top, right, bottom = (
            self._number(item, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")
        )
        flag = DIFFICULT if (item.findtext("difficult") or "0").strip() == "1" else 0

        # Edges are pixels that belong to the box, counted from 1.
        return (self._text(item, "name"), left - 1, top - 1, right, bottom, flag)

    def _number(self, element: ElementTree.Element, name: str) -> float:
        text = self._text(element, name)
        try:
            return float(text)
        except ValueError as error:
            raise InvalidData(f"{self.path}: {name} must be a number, not {text!r}") from error

    def _text(self, element: ElementTree.Element, name: str) -> str:
        text = element.findtext(name)
        if text is None or not text.strip():
            raise InvalidData(f"{self.path}: <{element.tag}> lacks {name}")
        return text.strip()


def _root_of(path: Path) -> Path:
    """Return the folder of a set: the named one, or the only one in it that has the layout."""
    inside = sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
    found = [folder for folder in (path, *inside) if (folder / SETS).is_dir()]
    if path in found:
        return path
    if len(found) != 1:
        names = ", ".join(folder.name for folder in found)
        raise InvalidData(
            f"{path} must have {IMAGES}, {ANNOTATIONS} and {SETS}"
            + (f"; name one of {names}" if found else "")
        )
    return found[0]


def _read_part(root: Path, folder: Path, part: str) -> list[tuple[str, Annotation]]:
    """Return the images of a part with their annotations; none where the set lacks the part."""
    listed = folder / SETS / f"{part}.txt"
    if not listed.is_file():
        return []

    images = {Path(file).stem: file for file in images_below(root, (folder / IMAGES).as_posix())}
    found = []
    for line in listed.read_text(encoding="utf-8").splitlines():
        # Lists of a class have a second column.
        name, *_ = line.split() or [""]
        if not name:
            continue
        if name not in images:
            raise InvalidData(f"{listed} names {name!r}, which {folder / IMAGES} lacks")
        annotation = Annotation(folder / ANNOTATIONS / f"{name}.xml")
        found.append((images[name], annotation))
    return found
