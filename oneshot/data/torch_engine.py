"""Batches of a folder by Pillow, in worker processes of torch's."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from oneshot.data.augmentation import FLIP, Augmentation, cut_out, jitter
from oneshot.data.decoding import decoded, header
from oneshot.data.epoch_order import Task
from oneshot.data.folder_split import FolderSplit, Skipped
from oneshot.data.resampling import centre, resample
from oneshot.data.split import Batch

PART = 16
"""Images that a worker makes at a time: small enough that the first batch comes soon, with any
number of workers.
"""


def batches(
    split: FolderSplit, tasks: Iterable[Task], how: Augmentation, batch_size: int, workers: int
) -> Iterator[Batch]:
    """The batches of tasks, in their order; the same with any number of workers.

    Args:
        split: whose images are read.
        tasks: what is in each batch.
        how: training images are augmented.
        batch_size: of the largest task.
        workers: processes; 0: this one.
    """
    counts: deque[int] = deque()

    def parts() -> Iterator[Task]:
        for task in tasks:
            starts = range(0, len(task.indices), PART)
            counts.append(len(starts))
            for start in starts:
                yield _part(task, slice(start, start + PART))

    with warnings.catch_warnings():
        # More workers than processors are what the user asked for.
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader = DataLoader(
            _Parts(split, how),
            batch_size=None,
            sampler=parts(),
            num_workers=workers,
            # The process's own generator would be drawn from, though no worker draws.
            generator=torch.Generator(),
            collate_fn=_as_they_are,
            # Two batches ahead, whatever their size.
            prefetch_factor=max(2, math.ceil(2 * batch_size / PART / workers)) if workers else None,
        )
        made = iter(loader)
    found: list[_Made] = []
    for part in made:
        split.note(part.skipped)
        found.append(part)
        if len(found) == counts[0]:
            counts.popleft()
            whole = _joined(found, split, how)
            found = []
            if len(whole[1]):
                yield whole


class _Made(NamedTuple):
    # A part of a batch: pixels are a quarter of what a network takes, and go from process to
    # process.
    pixels: Tensor
    labels: Tensor
    numbers: np.ndarray | None
    skipped: list[Skipped]


def _joined(parts: list[_Made], split: FolderSplit, how: Augmentation) -> Batch:
    images = split.preprocessing.normalised(torch.cat([part.pixels for part in parts]))
    if how.cutout:
        for part, some in zip(
            parts, torch.split(images, [len(part.pixels) for part in parts]), strict=True
        ):
            if part.numbers is not None:
                cut_out(some, part.numbers, how.cutout)
    return images, torch.cat([part.labels for part in parts])


def _part(task: Task, place: slice) -> Task:
    numbers = None if task.numbers is None else task.numbers[place]
    return replace(task, indices=task.indices[place], numbers=numbers)


class _Parts(Dataset[_Made]):
    def __init__(self, split: FolderSplit, how: Augmentation):
        self.split, self.how = split, how

    def __getitem__(self, task: Task) -> _Made:
        size = self.split.preprocessing.input_shape[1:]
        pixels = np.empty((len(task.indices), *size, 3), np.uint8)
        places: list[int] = []
        kept: list[int] = []
        skipped: list[Skipped] = []
        for row, index in enumerate(task.indices.tolist()):
            drawn = None if task.numbers is None else task.numbers[row]
            found = self.split.load(
                index, task.replace, partial(self._pixels, numbers=drawn), skipped
            )
            if found is not None:
                pixels[len(kept)] = found[1]
                places.append(found[0])
                kept.append(row)
        numbers = None if task.numbers is None else task.numbers[kept]
        images = torch.from_numpy(pixels[: len(kept)]).permute(0, 3, 1, 2)
        if numbers is not None and self.how.jitter:
            images = jitter(images, torch.from_numpy(self.how.factors(numbers)))
        return _Made(images, self.split.labels[places], numbers, skipped)

    def _pixels(self, content: bytes, numbers: np.ndarray | None) -> np.ndarray:
        preprocessing = self.split.preprocessing
        size = preprocessing.input_shape[1:]
        known = header(content)
        if numbers is None:
            image, _ = decoded(content)
            return resample(image, centre(*image.size, size), size, preprocessing.antialias)
        box = self.how.crop(known.width, known.height, numbers)
        # A smaller image is decoded faster; it is one that was averaged over, as without
        # antialiasing it must not be.
        shrink = (
            min((box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0])
            if preprocessing.antialias
            else 1.0
        )
        image, factor = decoded(content, shrink)
        left, top, right, bottom = (edge / factor for edge in box)
        inside = left, top, min(right, image.width), min(bottom, image.height)
        pixels = resample(image, inside, size, preprocessing.antialias)
        return pixels[:, ::-1] if numbers[FLIP] < self.how.flip else pixels


def _as_they_are(part: Any) -> Any:
    return part
