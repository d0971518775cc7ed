"""Inspection of every image of a data set: sizes, and unreadable files."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from oneshot.data.decoding import measure_size
from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.split import Split
from spaces.progress import Progress, silent

TOGETHER = 16
"""Number of files that a process takes at a time."""


@dataclass(frozen=True)
class Inspection:
    """Inspection of one part of a data set.

    Args:
        per_class: Number of images of each class, int [classes]; empty where targets are no
            classes.
        sizes: Width and height of each readable image, int [k, 2]; for images in memory those of
            the network's input.
        unreadable: Mapping file -> reason.
    """

    per_class: np.ndarray
    sizes: np.ndarray
    unreadable: dict[str, str]


def inspect(data: ImageData, progress: Progress = silent) -> dict[str, Inspection]:
    """Decode every image once; files are decoded on all processors.

    Args:
        data: Data set.
        progress: Callback for the finished fraction and a description of the state.

    Returns:
        Mapping from `train`, `validation` and `test` to their inspections.
    """
    parts: dict[str, Split] = {
        "train": data.train,
        "validation": data.validation,
        "test": data.test,
    }
    if not isinstance(data.train, FolderSplit):
        return {title: _in_memory(split, data.num_classes) for title, split in parts.items()}

    # A worker imports little more than Pillow. Only this process handles Ctrl-C and ends the
    # others.
    context = multiprocessing.get_context("spawn")
    workers = max(data.train.parallel(1), 1)
    with context.Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        inspections: dict[str, Inspection] = {}
        done = 0
        total = sum(len(split) for split in parts.values())
        for title, split in parts.items():
            assert isinstance(split, FolderSplit)
            sizes, unreadable = [], {}
            results = pool.imap(measure_size, [split.root / file for file in split.files], TOGETHER)
            for file, result in zip(split.files, results, strict=True):
                if isinstance(result, str):
                    unreadable[file] = result
                else:
                    sizes.append(result)
                done += 1
                progress(done / total, f"{done}/{total}, {title}")

            shapes = np.array(sizes, np.int64).reshape(-1, 2)
            inspections[title] = Inspection(_per_class(split, data.num_classes), shapes, unreadable)

    return inspections


def _in_memory(split: Split, classes: int) -> Inspection:
    images, _ = split.tensors([0])
    if not isinstance(images, Tensor) or images.ndim != 4:
        raise InvalidData("only images can be inspected; this data set has other inputs")
    return Inspection(_per_class(split, classes), np.tile(images.shape[:1:-1], (len(split), 1)), {})


def has_classes(labels: object) -> bool:
    """Return whether targets are one class each, rather than numbers, masks or boxes."""
    return isinstance(labels, Tensor) and labels.ndim == 1 and not labels.is_floating_point()


def _per_class(split: Split, classes: int) -> np.ndarray:
    if not has_classes(split.labels):
        return np.empty(0, np.int64)
    return np.bincount(split.labels.numpy(), minlength=classes)
