"""What parts that lie in memory have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from torch import Tensor

from oneshot.data.augmentation import Augmentation
from oneshot.data.epoch_order import EpochOrder, OrderLoader, Task, in_order
from oneshot.data.split import Batch, Indices


class MemorySplit(ABC):
    """A `Split` whose batches are made at once, by the process that asks for them."""

    labels: Tensor
    augmentation: Augmentation

    @abstractmethod
    def made(self, task: Task, how: Augmentation) -> Batch:
        """The batch of a task; `how` to augment it where the task has numbers."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Nothing: all is in memory."""
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
        """Shuffled batches for training; see `Split`."""
        how = augment if isinstance(augment, Augmentation) else self.augmentation
        order = EpochOrder(len(self), batch_size, seed, rank, ranks)
        return OrderLoader(order, bool(augment), lambda tasks: self._each(tasks, how))

    def batches(self, batch_size: int, indices: Indices | None = None) -> Iterator[Batch]:
        """Every image once, in order; see `Split`."""
        return self._each(in_order(len(self), batch_size, indices), self.augmentation)

    def _each(self, tasks: Iterable[Task], how: Augmentation) -> Iterator[Batch]:
        return (self.made(task, how) for task in tasks)


def chosen(images: Tensor, index: Tensor) -> Tensor:
    """Images [k, c, h, w] of indices [k]; whole images are copied where they lie channels-last."""
    return images.permute(0, 2, 3, 1).index_select(0, index).permute(0, 3, 1, 2)
