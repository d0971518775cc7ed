"""Batches of a whole training, from any update on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from oneshot.data.split import Batch, EpochLoader


class Source(Protocol):
    """Training images, such as a `Split`."""

    def __len__(self) -> int:
        """Return the number of images."""

    def epochs(
        self, batch_size: int, seed: int, *, augment: bool = False, rank: int = 0, ranks: int = 1
    ) -> EpochLoader:
        """Return shuffled batches; see `Split`."""


def updates(loader: EpochLoader, accumulate: int, start: int = 0) -> Iterator[Sequence[Batch]]:
    """Yield the batches of each update, endlessly.

    Batches that do not fill an update at the end of an epoch are dropped.

    Args:
        loader: Batches of one process.
        accumulate: Number of batches per update.
        start: First update.
    """
    steps_per_epoch = len(loader) // accumulate
    epoch, update = divmod(start, steps_per_epoch)
    while True:
        loader.set_epoch(epoch)
        loader.start_at(update * accumulate)
        batches = iter(loader)
        for _ in range(update, steps_per_epoch):
            yield [next(batches) for _ in range(accumulate)]

        epoch += 1
        update = 0


class HeldOut:
    """Batches of shuffled passes over images, by their number and without an end.

    A batch depends on its number alone, not on the batches that were read before.

    Args:
        images: Images that train an architecture.
        batch_size: Images per batch, over all ranks together.
        seed: Seed of the order.
    """

    def __init__(self, images: Source, batch_size: int, seed: int):
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self._forget()

    def _forget(self) -> None:
        self._loader: EpochLoader | None = None
        self._pass: Iterator[Batch] = iter(())
        self._next: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A pass that has begun cannot be sent to another process.
        return {"images": self.images, "batch_size": self.batch_size, "seed": self.seed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def batch(self, number: int, rank: int = 0, ranks: int = 1) -> Batch:
        """Return a rank's part of batch `number`."""
        if self._loader is None:
            size = max(1, self.batch_size // ranks)
            self._loader = self.images.epochs(size, self.seed, rank=rank, ranks=ranks)

        epoch, index = divmod(number, len(self._loader))

        # Consecutive batches of a pass share its iterator; any other one needs a new iterator.
        if self._next != number or index == 0:
            self._loader.set_epoch(epoch)
            self._loader.start_at(index)
            self._pass = iter(self._loader)
        self._next = number + 1
        return next(self._pass)
