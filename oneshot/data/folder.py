"""ImageNet-like folders: `train/CLASS/*.jpg` and `val/CLASS/*.jpg` (or `test/`)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from oneshot.data import validation_split as cut
from oneshot.data.augmentation import Augmentation
from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.request import DataRequest

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".webp", ".tif", ".tiff", ".gif")
TEST = ("test", "val", "validation", "valid")
"""Folders that may hold the set's own test part; the first that holds classes is taken."""

AUGMENTATION = Augmentation(flip=0.5, jitter=0.4, area=(0.08, 1.0))
"""As SPOS trains: random resized crop, colour jitter, flip."""

Labelled = list[tuple[str, int]]
"""Paths of images below a folder, with the indices of their classes."""


def load(request: DataRequest) -> ImageData:
    """The data set of a folder whose classes are folders.

    Raises:
        InvalidData: there is no `train` folder or no test part, or their classes differ.
    """
    if request.path is None:
        raise InvalidData(
            "image-folder needs a folder: write --data PATH or --data image-folder:PATH"
        )
    root = request.path
    classes = class_folders(root / "train")
    test = next((name for name in TEST if _has_classes(root / name)), None)
    if test is None:
        raise InvalidData(
            f"{root} holds no test part: looked for folders of classes in {', '.join(TEST)}"
        )
    unknown = set(class_folders(root / test)) - set(classes)
    if unknown:
        raise InvalidData(
            f"{root / test} holds the class {min(unknown)!r}, which {root / 'train'} lacks"
        )
    return folder_data(
        request,
        root,
        classes,
        images_by_class(root, "train", classes),
        images_by_class(root, test, classes),
    )


def folder_data(
    request: DataRequest, root: Path, classes: list[str], train: Labelled, test: Labelled
) -> ImageData:
    """A data set of image files, with its validation part cut off.

    Args:
        request: what was asked for.
        root: folder that the paths are below.
        classes: their names.
        train: images for training and validation.
        test: the set's own test part.

    Raises:
        InvalidData: a part holds no images.
    """
    for title, part in (("training", train), ("test", test)):
        if not part:
            raise InvalidData(
                f"{root} holds no {title} images; files must end in {', '.join(ENDINGS)}"
            )
    preprocessing = Preprocessing.of(request.preprocessing, request.input_shape)
    sources = [
        (np.array([label for _, label in part]), [file for file, _ in part])
        for part in (train, test)
    ]
    chosen = cut.parts(request, sources[0][0], sources[1][0])
    loader = chosen_loader(request.loader)

    def split(source: tuple[np.ndarray, list[str]], index: np.ndarray) -> FolderSplit:
        labels, files = source
        return FolderSplit(
            root.resolve(),
            [files[place] for place in index.tolist()],
            torch.from_numpy(labels[index].astype(np.int64)),
            preprocessing,
            AUGMENTATION,
            loader,
            request.workers,
        )

    splits = [
        split(source, index) for source, index in zip((sources[0], *sources), chosen, strict=True)
    ]
    first, second, third = splits
    return ImageData(
        request.name,
        first,
        second,
        third,
        num_classes=len(classes),
        split_seed=request.split_seed,
        classes=tuple(classes),
        digest=cut.digest(
            (map(os.fsencode, split.files), split.labels.numpy()) for split in splits
        ),
        preprocessing=preprocessing,
        request=request,
    )


def chosen_loader(asked: str) -> str:
    """`torch` or `dali`; `auto` is DALI where it is installed and CUDA is at hand.

    Raises:
        MissingExtra: DALI was asked for and is not installed.
    """
    from importlib.util import find_spec

    from spaces.errors import MissingExtra

    if asked == "torch" or (asked == "auto" and not torch.cuda.is_available()):
        return "torch"
    if find_spec("nvidia") is not None and find_spec("nvidia.dali") is not None:
        return "dali"
    if asked == "dali":
        raise MissingExtra("nvidia.dali", "dali")
    return "torch"


def class_folders(folder: Path) -> list[str]:
    """Names of the classes in a folder, sorted.

    Raises:
        InvalidData: there is no such folder, or it holds no folders.
    """
    if not folder.is_dir():
        raise InvalidData(
            f"there is no folder {folder}; a data set has train/CLASS/*.jpg and val/CLASS/*.jpg"
        )
    found = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )
    if not found:
        raise InvalidData(
            f"{folder} holds no folders of classes; a data set has train/CLASS/*.jpg and"
            " val/CLASS/*.jpg"
        )
    return found


def images_by_class(root: Path, part: str, classes: list[str], below: str = "") -> Labelled:
    """The images of `part/CLASS/below` for each class, sorted; any depth below a class's folder
    counts.
    """
    found: Labelled = []
    for label, name in enumerate(classes):
        found += [(file, label) for file in images_below(root, f"{part}/{name}/{below}")]
    return found


def images_below(root: Path, folder: str) -> list[str]:
    """Paths of image files in a folder of `root` and in the folders below it, sorted."""
    found = []
    for place, _, names in os.walk(root / folder, followlinks=True):
        inside = os.path.relpath(place, root)
        found += [
            f"{inside}/{name}"
            for name in names
            if name.lower().endswith(ENDINGS) and name[0] != "."
        ]
    return sorted(found)


def _has_classes(folder: Path) -> bool:
    return folder.is_dir() and any(entry.is_dir() for entry in folder.iterdir())
