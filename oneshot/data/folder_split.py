"""Parts of a data set whose images are files in a folder."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch

from oneshot.data.augmentation import Augmentation
from oneshot.data.decoding import read_file
from oneshot.data.epoch_order import EpochOrder, OrderLoader, Task, in_order
from oneshot.data.errors import InvalidData, UnreadableImage
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.split import Batch, Indices

CHUNK = 64
ATTEMPTS = 100
"""Images tried in place of an unreadable one before the data set is rejected."""

_LOG = logging.getLogger("oneshot.data")
_T = TypeVar("_T")

Skipped = tuple[int, str]
"""Index of an unreadable image, and the reason."""


@dataclass(frozen=True)
class FolderSplit:
    """Image files that are read, decoded and augmented when a batch is requested.

    Args:
        root: Folder of the data set.
        files: Paths of the images, relative to the folder.
        labels: Class of each image, int64 [n]; a subclass may have other targets.
        preprocessing: Conversion of pixels to the network's input.
        augmentation: Augmentation of `epochs(augment=True)`.
        loader: `torch` or `dali`.
        workers: Processes of the torch loader or threads of DALI. None: one per processor; 0: read
            in this process.
    """

    root: Path
    files: Sequence[str]
    labels: Any
    preprocessing: Preprocessing
    augmentation: Augmentation
    loader: str = "torch"
    workers: int | None = None
    unreadable: dict[str, str] = field(default_factory=dict, compare=False)

    joins_images: ClassVar[bool] = False
    """Whether mosaics of several images can be made."""

    def __len__(self) -> int:
        return len(self.files)

    def epochs(
        self,
        batch_size: int,
        seed: int,
        *,
        augment: bool | Augmentation = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> OrderLoader:
        """Return shuffled batches for training; see `Split.epochs`.

        An unreadable image is replaced by the next readable one.
        """
        augmentation = augment if isinstance(augment, Augmentation) else self.augmentation
        augmentation.check_mosaic(self.joins_images)
        order = EpochOrder(len(self), batch_size, seed, rank, ranks)
        return OrderLoader(
            order,
            bool(augment),
            partial(self._read, augmentation=augmentation, batch_size=order.batch, ranks=ranks),
        )

    def batches(self, batch_size: int, indices: Indices | None = None) -> Iterator[Batch]:
        """Yield every readable image once, in order; see `Split.batches`."""
        return self._read(in_order(len(self), batch_size, indices), self.augmentation, batch_size)

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return the preprocessed images and the labels, without unreadable files."""
        count = len(self) if indices is None else len(indices)
        images = torch.empty(count, *self.preprocessing.input_shape).contiguous(
            memory_format=torch.channels_last
        )
        labels = torch.empty(count, dtype=torch.int64)

        # Filled batch by batch: a list of all batches would need the memory twice.
        filled = 0
        for batch, batch_labels in self.batches(CHUNK, indices):
            images[filled : filled + len(batch)] = batch
            labels[filled : filled + len(batch)] = batch_labels
            filled += len(batch)

        return images[:filled], labels[:filled]

    def load(
        self, index: int, replace: bool, read: Callable[[bytes], _T], skipped: list[Skipped]
    ) -> tuple[int, _T] | None:
        """Read one image; return its index and the result of `read`; see `load_by`.

        Args:
            index: Index of the image.
            replace: Whether an unreadable image is replaced by the next readable one.
            read: Function of the file's content that may raise UnreadableImage.
            skipped: List that unreadable images are appended to.
        """
        return self.load_by(
            index,
            replace,
            lambda candidate: read(read_file(self.root / self.files[candidate])),
            skipped,
        )

    def load_by(
        self, index: int, replace: bool, read: Callable[[int], _T], skipped: list[Skipped]
    ) -> tuple[int, _T] | None:
        """Read one image; return its index and the result of `read`.

        Args:
            index: Index of the image.
            replace: Whether an unreadable image is replaced by the next readable one; otherwise
                None is returned.
            read: Function of the image's index that may raise UnreadableImage.
            skipped: List that unreadable images are appended to.

        Raises:
            InvalidData: A hundred images in a row are unreadable.
        """
        # Evaluation leaves an unreadable image out; a training batch needs its full size.
        for attempt in range(ATTEMPTS if replace else 1):
            candidate = (index + attempt) % len(self)
            try:
                return candidate, read(candidate)
            except UnreadableImage as error:
                skipped.append((candidate, str(error)))

        if replace:
            raise InvalidData(
                f"{self.root}: {ATTEMPTS} images in a row cannot be read, from"
                f" {self.files[index]} on"
            )

        return None

    def note(self, skipped: Iterable[Skipped]) -> None:
        """Record unreadable files with their reasons, and warn of each once."""
        for index, reason in skipped:
            name = self.files[index]
            if name not in self.unreadable:
                self.unreadable[name] = reason
                _LOG.warning(
                    "skipped %s: %s (%d unreadable so far)",
                    self.root / name,
                    reason,
                    len(self.unreadable),
                )

    def parallel(self, ranks: int) -> int:
        """Return the number of processes or threads for one of `ranks` ranks on this machine."""

        # A daemonic process must not have children.
        if multiprocessing.current_process().daemon:
            return 0
        if self.workers is not None:
            return self.workers
        return max(1, processors() // ranks)

    def _read(
        self, tasks: Iterable[Task], augmentation: Augmentation, batch_size: int, ranks: int = 1
    ) -> Iterator[Batch]:
        engine = importlib.import_module(f"oneshot.data.{self.loader}_engine")
        batches: Iterator[Batch] = engine.batches(
            self, tasks, augmentation, batch_size, self.parallel(ranks)
        )
        return batches


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
