"""Looking at every image of a data set: sizes, and files that cannot be read."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass

import numpy as np

from oneshot.data.decoding import measured
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.split import Split
from spaces.progress import Progress, silent

TOGETHER = 16
"""Files that a process takes at a time."""


@dataclass(frozen=True)
class Inspection:
    """What was found in one part of a data set.

    Args:
        per_class: images of each class, int [classes].
        sizes: width and height of each readable image, int [k, 2]; of images in memory those of the
            network's input.
        unreadable: file -> reason.
    """

    per_class: np.ndarray
    sizes: np.ndarray
    unreadable: dict[str, str]


def inspect(data: ImageData, progress: Progress = silent) -> dict[str, Inspection]:
    """Decode every image once, on all processors where they are files.

    Args:
        data: the data set.
        progress: told the share that is done, and a word on the state.

    Returns:
        `train`, `validation` and `test`.
    """
    parts: dict[str, Split] = {
        "train": data.train,
        "validation": data.validation,
        "test": data.test,
    }
    if not isinstance(data.train, FolderSplit):
        return {title: _in_memory(split, data.num_classes) for title, split in parts.items()}
    # A worker imports little more than Pillow. Ctrl-C is for this process, which ends the others.
    context, workers = multiprocessing.get_context("spawn"), max(data.train.parallel(1), 1)
    with context.Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        found: dict[str, Inspection] = {}
        done, whole = 0, sum(len(split) for split in parts.values())
        for title, split in parts.items():
            assert isinstance(split, FolderSplit)
            sizes, unreadable = [], {}
            results = pool.imap(measured, [split.root / file for file in split.files], TOGETHER)
            for file, result in zip(split.files, results, strict=True):
                if isinstance(result, str):
                    unreadable[file] = result
                else:
                    sizes.append(result)
                done += 1
                progress(done / whole, f"{done}/{whole}, {title}")
            shapes = np.array(sizes, np.int64).reshape(-1, 2)
            found[title] = Inspection(_per_class(split, data.num_classes), shapes, unreadable)
    return found


def _in_memory(split: Split, classes: int) -> Inspection:
    images, _ = split.tensors([0])
    return Inspection(_per_class(split, classes), np.tile(images.shape[:1:-1], (len(split), 1)), {})


def _per_class(split: Split, classes: int) -> np.ndarray:
    return np.bincount(split.labels.numpy(), minlength=classes)
