"""The order of training images, and the random numbers of each step."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from oneshot.data.augmentation import NUMBERS
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption


@dataclass(frozen=True)
class Task:
    """Specification of a batch.

    Args:
        indices: Indices of its images, int [b].
        numbers: Random numbers of its augmentation, float32 [b, NUMBERS]; None for the
            preprocessing of evaluation.
        replace: Whether an unreadable image is replaced by another one rather than omitted.
    """

    indices: np.ndarray
    numbers: np.ndarray | None = None
    replace: bool = False


Engine = Callable[[Iterable[Task]], Iterator[Batch]]
"""Function that returns the batches of tasks, in their order."""


@dataclass(frozen=True)
class EpochOrder:
    """Shuffled batches that depend on the seed, the epoch and the step only.

    Args:
        count: Number of images.
        batch_size: Images per step and rank. A smaller data set has smaller batches, and an
            incomplete step is dropped.
        seed: Seed of the order and of the random numbers.
        rank: Index of this process.
        ranks: Number of processes that share each step: rank r takes the r-th slice of a batch of
            `batch_size * ranks`.

    Raises:
        InvalidOption: A number is out of range, or there are fewer images than ranks.
    """

    count: int
    batch_size: int
    seed: int
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InvalidOption(f"batch_size must be at least 1, not {self.batch_size}")
        if not 0 <= self.rank < self.ranks:
            raise InvalidOption(f"rank must lie in [0, {self.ranks}), not {self.rank}")
        if self.count < self.ranks:
            raise InvalidOption(f"{self.ranks} ranks cannot share {self.count} images")

    @property
    def batch(self) -> int:
        """Number of images per step of this rank."""
        return min(self.batch_size, self.count // self.ranks)

    @property
    def steps(self) -> int:
        """Number of steps per epoch, the same on every rank."""
        return self.count // (self.batch * self.ranks)

    def task(self, epoch: int, step: int, augment: bool) -> Task:
        """Return the task of this rank in a step."""
        total = self.batch * self.ranks
        own_slice = slice(self.rank * self.batch, (self.rank + 1) * self.batch)
        permutation = _permutation(self.count, self.seed, epoch)
        indices = permutation[step * total : (step + 1) * total][own_slice].copy()
        if not augment:
            return Task(indices, replace=True)

        # numpy treats [a, b] and [a, b, 0] as the same seed; the 1 separates steps from the order.
        numbers = np.random.default_rng([self.seed, epoch, step, 1]).random(
            (total, NUMBERS), dtype=np.float32
        )

        return Task(indices, numbers[own_slice], replace=True)


@functools.lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch]).permutation(count)

    # The array is shared by all callers of the cache.
    order.setflags(write=False)
    return order


class PositionedLoader(ABC):
    """An `EpochLoader` that knows the epoch and the step at which its next pass starts."""

    def __init__(self) -> None:
        self.epoch = 0
        self.first_step = 0

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of steps of an epoch."""

    @abstractmethod
    def batches(self, epoch: int, steps: range) -> Iterator[Batch]:
        """Return the batches of some steps of an epoch.

        Args:
            epoch: Number of the epoch.
            steps: Steps from the first one of the pass to the end of the epoch.
        """

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass."""
        self.epoch = epoch

    def start_at(self, step: int) -> None:
        """Start the next pass at this step.

        Raises:
            InvalidOption: An epoch has fewer steps.
        """
        if not 0 <= step <= len(self):
            raise InvalidOption(
                f"step must lie in [0, {len(self)}], the steps of an epoch, not {step}"
            )
        self.first_step = step

    def __iter__(self) -> Iterator[Batch]:
        steps = range(self.first_step, len(self))

        # Only one pass starts late.
        self.first_step = 0
        return self.batches(self.epoch, steps)


class OrderLoader(PositionedLoader):
    """An `EpochLoader` over the tasks of an order.

    Args:
        order: Order of the images.
        augment: Whether random numbers are drawn for the augmentation.
        engine: Function that reads the batches.
    """

    def __init__(self, order: EpochOrder, augment: bool, engine: Engine):
        super().__init__()
        self.order = order
        self.augment = augment
        self.engine = engine

    def __len__(self) -> int:
        return self.order.steps

    def batches(self, epoch: int, steps: range) -> Iterator[Batch]:
        """Return the batches of some steps of an epoch."""
        return iter(self.engine(self.order.task(epoch, step, self.augment) for step in steps))


def in_order(count: int, batch_size: int, indices: object = None) -> Iterator[Task]:
    """Yield tasks for all images, or those of `indices`, in order; the last may be smaller.

    Raises:
        InvalidOption: The batch size is below 1, or an index is out of range.
    """
    if batch_size < 1:
        raise InvalidOption(f"batch_size must be at least 1, not {batch_size}")

    order = np.arange(count)
    if indices is not None:
        order = np.asarray(indices, dtype=np.int64).reshape(-1)
    if len(order) and not 0 <= order.min() <= order.max() < count:
        raise InvalidOption(
            f"indices must lie in [0, {count}), not from {order.min()} to {order.max()}"
        )

    for start in range(0, len(order), batch_size):
        yield Task(order[start : start + batch_size])
