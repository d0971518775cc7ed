"""Parts whose images are files in a folder."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from oneshot.data.augmentation import Augmentation
from oneshot.data.decoding import read_file
from oneshot.data.epoch_order import EpochOrder, OrderLoader, Task, in_order
from oneshot.data.errors import InvalidData, UnreadableImage
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.split import Batch, Indices

CHUNK = 64
ATTEMPTS = 100
"""Images tried in the place of an unreadable one before the data set is given up."""

_LOG = logging.getLogger("oneshot.data")
_T = TypeVar("_T")

Skipped = tuple[int, str]
"""Index of an unreadable image, and why it is so."""


@dataclass(frozen=True)
class FolderSplit:
    """Images that are read, decoded and augmented when a batch is asked for.

    Args:
        root: folder of the data set.
        files: paths of the images below it.
        labels: int64 tensor [n].
        preprocessing: makes pixels ready.
        augmentation: what `epochs(augment=True)` does.
        loader: `torch` or `dali`.
        workers: processes of the torch loader or threads of DALI (default: a processor each); 0: in
            this process.
    """

    root: Path
    files: Sequence[str]
    labels: Tensor
    preprocessing: Preprocessing
    augmentation: Augmentation
    loader: str = "torch"
    workers: int | None = None
    unreadable: dict[str, str] = field(default_factory=dict, compare=False)

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
        """Shuffled batches for training; see `Split`. The next readable image takes an unreadable
        one's place.
        """
        how = augment if isinstance(augment, Augmentation) else self.augmentation
        order = EpochOrder(len(self), batch_size, seed, rank, ranks)
        return OrderLoader(
            order, bool(augment), partial(self._made, how=how, batch_size=order.batch, ranks=ranks)
        )

    def batches(self, batch_size: int, indices: Indices | None = None) -> Iterator[Batch]:
        """Every readable image once, in order; see `Split`."""
        return self._made(in_order(len(self), batch_size, indices), self.augmentation, batch_size)

    def tensors(self, indices: Indices | None = None) -> Batch:
        """The images, ready for a network, and the labels; unreadable files are left out."""
        count = len(self) if indices is None else len(indices)
        images = torch.empty(count, *self.preprocessing.input_shape).contiguous(
            memory_format=torch.channels_last
        )
        labels = torch.empty(count, dtype=torch.int64)
        filled = 0
        for some, their_labels in self.batches(CHUNK, indices):
            images[filled : filled + len(some)] = some
            labels[filled : filled + len(some)] = their_labels
            filled += len(some)
        return images[:filled], labels[:filled]

    def load(
        self, index: int, replace: bool, read: Callable[[bytes], _T], skipped: list[Skipped]
    ) -> tuple[int, _T] | None:
        """What `read` makes of a file's content, with the file's index.

        Args:
            index: of the image.
            replace: whether the next readable image takes the place of an unreadable one, or None
                is returned.
            read: raises UnreadableImage.
            skipped: takes what could not be read.

        Raises:
            InvalidData: a hundred images in a row are unreadable.
        """
        for attempt in range(ATTEMPTS if replace else 1):
            place = (index + attempt) % len(self)
            try:
                return place, read(read_file(self.root / self.files[place]))
            except UnreadableImage as error:
                skipped.append((place, str(error)))
        if replace:
            raise InvalidData(
                f"{self.root}: {ATTEMPTS} images in a row cannot be read, from"
                f" {self.files[index]} on"
            )
        return None

    def note(self, skipped: Iterable[Skipped]) -> None:
        """Keep the names of unreadable files with the reasons, and tell of each once."""
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
        """Processes or threads for one of so many ranks on this machine."""
        if multiprocessing.current_process().daemon:
            return 0  # such a process may not have children
        if self.workers is not None:
            return self.workers
        return max(1, processors() // ranks)

    def _made(
        self, tasks: Iterable[Task], how: Augmentation, batch_size: int, ranks: int = 1
    ) -> Iterator[Batch]:
        engine = importlib.import_module(f"oneshot.data.{self.loader}_engine")
        made: Iterator[Batch] = engine.batches(self, tasks, how, batch_size, self.parallel(ranks))
        return made


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
