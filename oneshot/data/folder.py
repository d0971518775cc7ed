"""Folders with the layout of ImageNet: `train/CLASS/*.jpg` and `val/CLASS/*.jpg` (or `test/`)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from oneshot.data import validation_split
from oneshot.data.augmentation import Augmentation
from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.request import DataRequest

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".webp", ".tif", ".tiff", ".gif")
TEST = ("test", "val", "validation", "valid")
"""Names of folders with the set's own test part; the first one that holds classes is used."""

AUGMENTATION = Augmentation(flip=0.5, jitter=0.4, area=(0.08, 1.0))
"""The augmentation of SPOS: random resized crop, colour jitter, flip."""

Labelled = list[tuple[str, int]]
"""Paths of images below a folder, with the indices of their classes."""


def load(request: DataRequest) -> ImageData:
    """Read a folder whose classes are folders.

    Raises:
        InvalidData: There is no `train` folder or no test part, or their classes differ.
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
            f"{root} holds no test part: searched folders of classes in {', '.join(TEST)}"
        )

    # Labels are positions in the list of the training part's classes.
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
    """Return a data set of image files, with a validation part split off the training part.

    Args:
        request: The request.
        root: Folder that the paths are relative to.
        classes: Names of the classes.
        train: Images for training and validation.
        test: Images of the set's own test part.

    Raises:
        InvalidData: A part holds no images.
    """
    _check_images(root, train, "training")
    _check_images(root, test, "test")
    preprocessing = Preprocessing.from_kind(request.preprocessing, request.input_shape)

    # Training and validation are two parts of one source.
    sources = [
        (np.array([label for _, label in labelled]), [file for file, _ in labelled])
        for labelled in (train, test)
    ]
    indices = validation_split.parts(request, sources[0][0], sources[1][0])
    loader = resolve_loader(request.loader)

    def split(source: tuple[np.ndarray, list[str]], index: np.ndarray) -> FolderSplit:
        labels, files = source
        return FolderSplit(
            root.resolve(),
            [files[position] for position in index.tolist()],
            torch.from_numpy(labels[index].astype(np.int64)),
            preprocessing,
            AUGMENTATION,
            loader,
            request.workers,
        )

    splits = [
        split(source, index) for source, index in zip((sources[0], *sources), indices, strict=True)
    ]

    return ImageData(
        request.name,
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        num_classes=len(classes),
        split_seed=request.split_seed,
        classes=tuple(classes),
        digest=validation_split.digest(
            (map(os.fsencode, split.files), split.labels.numpy()) for split in splits
        ),
        preprocessing=preprocessing,
        request=request,
    )


def _check_images(root: Path, labelled: Labelled, title: str) -> None:
    """Raise InvalidData for a part without images."""
    if not labelled:
        raise InvalidData(f"{root} holds no {title} images; files must end in {', '.join(ENDINGS)}")


def resolve_loader(loader: str) -> str:
    """Return `torch` or `dali`; `auto` is DALI where it is installed and CUDA is available.

    Raises:
        MissingExtra: DALI is requested and not installed.
    """
    from importlib.util import find_spec

    from spaces.errors import MissingExtra

    if loader == "torch" or (loader == "auto" and not torch.cuda.is_available()):
        return "torch"
    if find_spec("nvidia") is not None and find_spec("nvidia.dali") is not None:
        return "dali"
    if loader == "dali":
        raise MissingExtra("nvidia.dali", "dali")
    return "torch"


def class_folders(folder: Path) -> list[str]:
    """Return the sorted names of the classes in a folder.

    Raises:
        InvalidData: The folder does not exist, or holds no folders.
    """
    if not folder.is_dir():
        raise InvalidData(
            f"there is no folder {folder}; a data set has train/CLASS/*.jpg and val/CLASS/*.jpg"
        )

    classes = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )
    if not classes:
        raise InvalidData(
            f"{folder} holds no folders of classes; a data set has train/CLASS/*.jpg and"
            " val/CLASS/*.jpg"
        )

    return classes


def images_by_class(root: Path, folder: str, classes: list[str], below: str = "") -> Labelled:
    """Return the images of `folder/CLASS/below` for each class, sorted, at any depth."""
    labelled: Labelled = []
    for label, name in enumerate(classes):
        labelled += [(file, label) for file in images_below(root, f"{folder}/{name}/{below}")]
    return labelled


def images_below(root: Path, folder: str) -> list[str]:
    """Return the sorted paths, relative to `root`, of the image files below one of its folders."""
    files = []
    for directory, _, names in os.walk(root / folder, followlinks=True):
        relative = os.path.relpath(directory, root)
        files += [
            f"{relative}/{name}"
            for name in names
            if name.lower().endswith(ENDINGS) and name[0] != "."
        ]
    return sorted(files)


def _has_classes(folder: Path) -> bool:
    return folder.is_dir() and any(entry.is_dir() for entry in folder.iterdir())
