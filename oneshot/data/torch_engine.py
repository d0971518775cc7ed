"""Batches of a folder by Pillow, in worker processes of torch."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from oneshot.data.augmentation import FLIP, Augmentation, cut_out, jitter
from oneshot.data.decoding import decode, header
from oneshot.data.epoch_order import Task
from oneshot.data.folder_split import FolderSplit, Skipped
from oneshot.data.resampling import centre, resample
from oneshot.data.split import Batch

CHUNK = 16
"""Images that a worker reads at a time, so small that the first batch arrives early."""

_C = TypeVar("_C")


def batches(
    split: FolderSplit,
    tasks: Iterable[Task],
    augmentation: Augmentation,
    batch_size: int,
    workers: int,
) -> Iterator[Batch]:
    """Yield the batches of tasks in their order, the same with any number of workers.

    Args:
        split: Split whose images are read.
        tasks: Specifications of the batches.
        augmentation: Augmentation of training images.
        batch_size: Size of the largest task.
        workers: Number of processes; 0 reads in this process.
    """

    def join(chunks: list[_Chunk]) -> Batch:
        for chunk in chunks:
            split.note(chunk.skipped)
        return _join(chunks, split, augmentation)

    return in_chunks(_Chunks(split, augmentation), join, tasks, batch_size, workers)


def in_chunks(
    reader: Dataset[_C],
    join: Callable[[list[_C]], Batch],
    tasks: Iterable[Task],
    batch_size: int,
    workers: int,
) -> Iterator[Batch]:
    """Yield batches whose chunks are read by worker processes.

    Args:
        reader: Reads a chunk, given as a task, in a worker process.
        join: Function that makes a batch of its chunks.
        tasks: Specifications of the batches.
        batch_size: Size of the largest task.
        workers: Number of processes; 0 reads in this process.
    """
    chunk_counts: deque[int] = deque()

    def chunks() -> Iterator[Task]:
        for task in tasks:
            starts = range(0, len(task.indices), CHUNK)
            chunk_counts.append(len(starts))
            for start in starts:
                yield _slice(task, slice(start, start + CHUNK))

    # Two batches ahead, whatever their size; torch takes no factor without workers.
    prefetch = max(2, math.ceil(2 * batch_size / CHUNK / workers)) if workers else None

    with warnings.catch_warnings():
        # The user may request more workers than processors.
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader = DataLoader(
            reader,
            batch_size=None,
            sampler=chunks(),
            num_workers=workers,
            # Otherwise the loader would draw from the global generator, though no worker needs it.
            generator=torch.Generator(),
            collate_fn=_identity,
            prefetch_factor=prefetch,
        )
        results = iter(loader)

    pending: list[_C] = []
    for chunk in results:
        pending.append(chunk)
        if len(pending) == chunk_counts[0]:
            chunk_counts.popleft()
            images, targets = join(pending)
            pending = []

            # Nothing is left of a batch whose files are all unreadable.
            if len(targets):
                yield images, targets


class _Chunk(NamedTuple):
    """A chunk of a batch as pixels, which cross processes in a quarter of the bytes of floats."""

    pixels: Tensor
    labels: Tensor
    numbers: np.ndarray | None
    skipped: list[Skipped]


def _join(chunks: list[_Chunk], split: FolderSplit, augmentation: Augmentation) -> Batch:
    images = split.preprocessing.normalised(torch.cat([chunk.pixels for chunk in chunks]))
    if augmentation.cutout:
        # Views into `images`: the squares are cut in place.
        views = torch.split(images, [len(chunk.pixels) for chunk in chunks])
        for chunk, view in zip(chunks, views, strict=True):
            if chunk.numbers is not None:
                cut_out(view, chunk.numbers, augmentation.cutout)
    return images, torch.cat([chunk.labels for chunk in chunks])


def _slice(task: Task, rows: slice) -> Task:
    numbers = None if task.numbers is None else task.numbers[rows]
    return replace(task, indices=task.indices[rows], numbers=numbers)


class _Chunks(Dataset[_Chunk]):
    """Reads chunks, each given as a task, in a worker process."""

    def __init__(self, split: FolderSplit, augmentation: Augmentation):
        self.split = split
        self.augmentation = augmentation

    def __getitem__(self, task: Task) -> _Chunk:
        size = self.split.preprocessing.input_shape[1:]
        pixels = np.empty((len(task.indices), *size, 3), np.uint8)
        indices: list[int] = []
        rows: list[int] = []
        skipped: list[Skipped] = []
        for row, index in enumerate(task.indices.tolist()):
            image_numbers = None if task.numbers is None else task.numbers[row]
            read = partial(self._pixels, numbers=image_numbers)
            loaded = self.split.load(index, task.replace, read, skipped)
            if loaded is not None:
                # A replaced image has another index, and so another label.
                loaded_index, pixels[len(rows)] = loaded
                indices.append(loaded_index)
                rows.append(row)

        numbers = None if task.numbers is None else task.numbers[rows]
        images = torch.from_numpy(pixels[: len(rows)]).permute(0, 3, 1, 2)
        if numbers is not None and self.augmentation.jitter:
            images = jitter(images, torch.from_numpy(self.augmentation.factors(numbers)))

        return _Chunk(images, self.split.labels[indices], numbers, skipped)

    def _pixels(self, content: bytes, numbers: np.ndarray | None) -> np.ndarray:
        preprocessing = self.split.preprocessing
        size = preprocessing.input_shape[1:]
        file_header = header(content)
        if numbers is None:
            image, _ = decode(content)
            box = centre(*image.size, size, preprocessing.rounds_sizes)
            return resample(image, box, size, preprocessing.antialias)

        # A smaller image is decoded faster. It has been averaged over, which is correct only with
        # antialiasing.
        box = self.augmentation.crop(file_header.width, file_header.height, numbers)
        shrink = 1.0
        if preprocessing.antialias:
            shrink = min((box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0])
        image, factor = decode(content, shrink)
        left, top, right, bottom = (edge / factor for edge in box)

        # Rounding of the smaller size may leave the box a fraction of a pixel outside.
        clipped = left, top, min(right, image.width), min(bottom, image.height)
        pixels = resample(image, clipped, size, preprocessing.antialias)

        return pixels[:, ::-1] if numbers[FLIP] < self.augmentation.flip else pixels


def _identity(chunk: Any) -> Any:
    return chunk
