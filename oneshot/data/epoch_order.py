"""The order of training images, and the random numbers that belong to each step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from oneshot.data.augmentation import NUMBERS
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption


@dataclass(frozen=True)
class Task:
    """A batch to be made.

    Args:
        indices: int [b] of its images.
        numbers: float32 [b, NUMBERS] drawn for its augmentation; None for the preprocessing of
            evaluation.
        replace: whether another image takes the place of an unreadable one, or none.
    """

    indices: np.ndarray
    numbers: np.ndarray | None = None
    replace: bool = False


Engine = Callable[[Iterable[Task]], Iterator[Batch]]
"""Makes the batches of tasks, in their order."""


@dataclass(frozen=True)
class EpochOrder:
    """Shuffled batches that depend on the seed, the epoch and the step alone.

    Args:
        count: of images.
        batch_size: images a step and rank; a smaller set gives smaller batches, and an incomplete
            step is left out.
        seed: of everything.
        rank: of this process.
        ranks: processes that share each step: rank r takes the r-th part of a batch of `batch_size
            * ranks`.

    Raises:
        InvalidOption: a number out of range, or fewer images than ranks.
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
        """Images a step of this rank."""
        return min(self.batch_size, self.count // self.ranks)

    @property
    def steps(self) -> int:
        """Steps an epoch, the same on every rank."""
        return self.count // (self.batch * self.ranks)

    def task(self, epoch: int, step: int, augment: bool) -> Task:
        """What this rank reads in a step."""
        whole = self.batch * self.ranks
        mine = slice(self.rank * self.batch, (self.rank + 1) * self.batch)
        indices = _permutation(self.count, self.seed, epoch)[step * whole : (step + 1) * whole][
            mine
        ].copy()
        if not augment:
            return Task(indices, replace=True)
        # numpy takes [a, b] and [a, b, 0] for the same seed; the 1 keeps steps apart from the
        # order.
        drawn = np.random.default_rng([self.seed, epoch, step, 1]).random(
            (whole, NUMBERS), dtype=np.float32
        )
        return Task(indices, drawn[mine], replace=True)


@functools.lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch]).permutation(count)
    order.setflags(write=False)
    return order


class OrderLoader:
    """An `EpochLoader`: the tasks of an order, made by an engine.

    Args:
        order: of the images.
        augment: whether numbers are drawn.
        engine: makes the batches.
    """

    def __init__(self, order: EpochOrder, augment: bool, engine: Engine):
        self.order, self.augment, self.engine = order, augment, engine
        self.epoch, self.first = 0, 0

    def __len__(self) -> int:
        return self.order.steps

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass."""
        self.epoch = epoch

    def start_at(self, step: int) -> None:
        """Let the next pass begin at this step.

        Raises:
            InvalidOption: an epoch has fewer steps.
        """
        if not 0 <= step <= len(self):
            raise InvalidOption(
                f"step must lie in [0, {len(self)}], the steps of an epoch, not {step}"
            )
        self.first = step

    def __iter__(self) -> Iterator[Batch]:
        epoch, first, self.first = self.epoch, self.first, 0
        return iter(
            self.engine(
                self.order.task(epoch, step, self.augment) for step in range(first, len(self))
            )
        )


def in_order(count: int, batch_size: int, indices: object = None) -> Iterator[Task]:
    """Tasks for all images, or those of `indices`, in order; the last may be short.

    Raises:
        InvalidOption: a batch size below 1, or an index out of range.
    """
    if batch_size < 1:
        raise InvalidOption(f"batch_size must be at least 1, not {batch_size}")
    chosen = (
        np.arange(count) if indices is None else np.asarray(indices, dtype=np.int64).reshape(-1)
    )
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < count:
        raise InvalidOption(
            f"indices must lie in [0, {count}), not from {chosen.min()} to {chosen.max()}"
        )
    for start in range(0, len(chosen), batch_size):
        yield Task(chosen[start : start + batch_size])
