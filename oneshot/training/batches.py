"""Batches of a whole training, from any update on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from oneshot.data.split import Batch, EpochLoader


class Source(Protocol):
    """Training images, such as a `Split`."""

    def __len__(self) -> int:
        """How many images."""

    def epochs(
        self, batch_size: int, seed: int, *, augment: bool = False, rank: int = 0, ranks: int = 1
    ) -> EpochLoader:
        """Shuffled batches; see `Split`."""


def updates(loader: EpochLoader, accumulate: int, start: int = 0) -> Iterator[Sequence[Batch]]:
    """For every update from `start` on its batches, without end; batches left over at an epoch's
    end are dropped.

    Args:
        loader: of one process.
        accumulate: batches an update.
        start: the first update that is wanted.
    """
    an_epoch = len(loader) // accumulate
    epoch, update = divmod(start, an_epoch)
    while True:
        loader.set_epoch(epoch)
        loader.start_at(update * accumulate)
        taken = iter(loader)
        for _ in range(update, an_epoch):
            yield [next(taken) for _ in range(accumulate)]
        epoch, update = epoch + 1, 0
