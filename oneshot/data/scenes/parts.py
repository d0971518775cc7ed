"""Data sets of scenes from their parts in files."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oneshot.data import validation_split
from oneshot.data.errors import InvalidData
from oneshot.data.folder import resolve_loader
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.request import DataRequest
from oneshot.data.scenes.scene import SceneTargets, fill_of
from oneshot.data.scenes.splits import SceneFolder
from oneshot.data.scenes.views import SCENES
from oneshot.data.split import Split

CLASSES = "classes.txt"
"""File with the names of the classes, one on each line in their order."""

_LOG = logging.getLogger("oneshot.data")


@dataclass(frozen=True)
class Letterbox(Preprocessing):
    """Preprocessing of scenes: the whole image in the middle of the input, never stretched."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that a user of an exported network has to apply."""
        fill = fill_of(self).tolist()
        return {**super().to_dict(), "resizing": "letterbox", "fill": fill}


@dataclass(frozen=True)
class Part:
    """Files of a part of a data set.

    Args:
        files: Paths of the images, relative to the data set's folder.
        targets: Their boxes or masks.
    """

    files: Sequence[str]
    targets: SceneTargets

    def __len__(self) -> int:
        return len(self.files)

    def select(self, index: np.ndarray) -> Part:
        """Return the images of some indices."""
        return Part([self.files[number] for number in index], self.targets[index])


def scene_data(
    request: DataRequest,
    root: Path,
    parts: dict[str, Part],
    classes: Sequence[str],
    num_classes: int | None = None,
) -> ImageData:
    """Return a data set of files with a validation part.

    The set's own validation part is used where it has one besides a test part, unless the request
    has another size: then training and validation images are divided again.

    Args:
        request: The request.
        root: Folder that the paths of files are relative to.
        parts: `train`, and `test` or `val` or both.
        classes: Names of the classes; empty: they have none.
        num_classes: Number of classes; None: that of the names.

    Raises:
        InvalidData: A part is missing or empty.
        MissingExtra: The loader is DALI, which is not installed.
    """
    trainable = parts.get("train")
    test = parts.get("test") or parts.get("val")
    if not trainable or not test:
        raise InvalidData(
            f"{root} holds no {'training' if not trainable else 'test or validation'} images"
        )

    validation = parts.get("val") if parts.get("test") else None
    if validation is not None and request.validation is not None:
        trainable = merged([trainable, validation])
        validation = None
    if validation is None:
        size = validation_split.validation_size(len(trainable), request.validation)
        # One class: which objects are in an image says little about how images should be divided.
        strata = np.zeros(len(trainable), np.int64)
        first, second = validation_split.stratified(strata, size, request.split_seed)
        trainable, validation = trainable.select(first), trainable.select(second)

    return assembled(
        request,
        tuple(_folder(request, root, part) for part in (trainable, validation, test)),
        classes,
        len(classes) if num_classes is None else num_classes,
        [
            ([*map(os.fsencode, part.files), *part.targets.content()], np.empty(0))
            for part in (trainable, validation, test)
        ],
    )


def assembled(
    request: DataRequest,
    splits: tuple[Split, ...],
    classes: Sequence[str],
    num_classes: int,
    content: Sequence[tuple[Sequence[bytes], np.ndarray]],
) -> ImageData:
    """Return a data set of training, validation and test part.

    Args:
        request: The request.
        splits: The three parts.
        classes: Names of the classes; empty: they have none.
        num_classes: Number of classes.
        content: For each part what its digest covers.
    """
    train, validation, test = splits
    return ImageData(
        request.name,
        train=train,
        validation=validation,
        test=test,
        num_classes=num_classes,
        split_seed=request.split_seed,
        classes=tuple(classes),
        digest=validation_split.digest(content),
        preprocessing=preprocessing_of(request),
        request=request,
    )


def preprocessing_of(request: DataRequest) -> Letterbox:
    """Return the preprocessing of scenes for a request."""
    kind = Preprocessing.from_kind(request.preprocessing, request.input_shape)
    return Letterbox(**asdict(kind))


def merged(parts: Sequence[Part]) -> Part:
    """Return the images of several parts as one."""
    first, *others = (part.targets for part in parts)
    return Part([file for part in parts for file in part.files], first.joined(others))


def read_classes(folder: Path) -> list[str] | None:
    """Return the names of a folder's `classes.txt`; None: it has none.

    Raises:
        InvalidData: The file is empty, or names a class twice.
    """
    path = folder / CLASSES
    if not path.is_file():
        return None

    names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    names = [name for name in names if name]
    if not names or len(set(names)) < len(names):
        raise InvalidData(f"{path} must name each class once, a line each")
    return names


class BoxCheck:
    """Checks boxes of annotations, and counts those that are changed or left out.

    Args:
        title: Name of the data set, for the warning.
    """

    def __init__(self, title: str):
        self.title = title
        self.cut: list[str] = []
        self.dropped: list[str] = []

    def add(self, file: str, rows: list[tuple[float, ...]], size: tuple[int, int]) -> np.ndarray:
        """Return the boxes of an image, cut to it; those without an area are left out.

        Args:
            file: Image, for the warning.
            rows: Left, top, right, bottom, class and flag of each object.
            size: Width and height of the image.

        Raises:
            InvalidData: The size is 0, to which every box would be cut.
        """
        if min(size) < 1:
            raise InvalidData(
                f"{self.title}: the annotation of {file} has the size {size[0]} x {size[1]}"
            )

        boxes = np.array(rows, np.float32).reshape(-1, 6)
        limits = np.array([*size, *size], np.float32)
        inside = boxes[:, :4].clip(0, limits)
        has_area = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])

        # A corner on the next pixel is a matter of counting from 0 or 1.
        outside = (np.abs(inside - boxes[:, :4]) > 1).any(1)
        self.cut += [file] * int((outside & has_area).sum())
        self.dropped += [file] * int((~has_area).sum())

        boxes[:, :4] = inside
        kept: np.ndarray = boxes[has_area]
        return kept

    def warn(self) -> None:
        """Warn of boxes that reach beyond their image, and of those without an area."""
        for files, what in (
            (self.cut, "reach beyond their image and were cut"),
            (self.dropped, "have no area in their image and were left out"),
        ):
            if files:
                _LOG.warning("%s: %d boxes %s, first in %s", self.title, len(files), what, files[0])


def _folder(request: DataRequest, root: Path, part: Part) -> FolderSplit:
    index = validation_split.limited(np.arange(len(part)), np.zeros(len(part), np.int64), request)
    limited = part.select(index)
    return SceneFolder(
        root.resolve(),
        limited.files,
        limited.targets,
        preprocessing_of(request),
        SCENES,
        resolve_loader(request.loader),
        request.workers,
    )
