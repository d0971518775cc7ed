"""Base class of parts in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar

from torch import Tensor

from oneshot.data.augmentation import Augmentation
from oneshot.data.epoch_order import EpochOrder, OrderLoader, Task, in_order
from oneshot.data.padded import Targets
from oneshot.data.split import Batch, Indices


class MemorySplit(ABC):
    """A `Split` whose batches are assembled by the process that requests them."""

    labels: Targets
    augmentation: Augmentation

    joins_images: ClassVar[bool] = False
    """Whether mosaics of several images can be made."""

    @abstractmethod
    def make_batch(self, task: Task, augmentation: Augmentation) -> Batch:
        """Return the batch of a task, augmented if the task has random numbers."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Always empty, because all images are in memory."""
        return {}

    def __len__(self) -> int:
        return len(self.labels)

    def epochs(
        self,
        batch_size: int,
        seed: int,
        *,
        augment: bool | Augmentation = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> OrderLoader:
        """Return shuffled batches for training; see `Split.epochs`."""
        augmentation = augment if isinstance(augment, Augmentation) else self.augmentation
        augmentation.check_mosaic(self.joins_images)
        order = EpochOrder(len(self), batch_size, seed, rank, ranks)
        return OrderLoader(
            order, bool(augment), lambda tasks: self._make_batches(tasks, augmentation)
        )

    def batches(self, batch_size: int, indices: Indices | None = None) -> Iterator[Batch]:
        """Yield every image once, in order; see `Split.batches`."""
        return self._make_batches(in_order(len(self), batch_size, indices), self.augmentation)

    def _make_batches(self, tasks: Iterable[Task], augmentation: Augmentation) -> Iterator[Batch]:
        return (self.make_batch(task, augmentation) for task in tasks)


def select_images(images: Tensor, index: Tensor) -> Tensor:
    """Return the images [k, c, h, w] of indices [k].

    Channels-last images are contiguous after the permutation, so that each is copied as a block.
    """
    return images.permute(0, 2, 3, 1).index_select(0, index).permute(0, 3, 1, 2)
