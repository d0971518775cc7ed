"""What an algorithm is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneshot.training.recipe import SMALL, Recipe

if TYPE_CHECKING:
    from oneshot.data.split import Batch, EpochLoader
    from oneshot.training.batches import Source


class HeldOut:
    """Batch n of an endless row of shuffled passes; the same whichever was read before.

    Args:
        images: for training the architecture.
        batch_size: images a batch, over all ranks together.
        seed: of the order.
    """

    def __init__(self, images: Source, batch_size: int, seed: int):
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self._forget()

    def _forget(self) -> None:
        self._loader: EpochLoader | None = None
        self._pass: Iterator[Batch] = iter(())
        self._next: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A pass that has begun cannot go to another process.
        return {"images": self.images, "batch_size": self.batch_size, "seed": self.seed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def batch(self, number: int, rank: int = 0, ranks: int = 1) -> Batch:
        """The part of batch `number` that is a rank's."""
        if self._loader is None:
            part = max(1, self.batch_size // ranks)
            self._loader = self.images.epochs(part, self.seed, rank=rank, ranks=ranks)
        epoch, index = divmod(number, len(self._loader))
        if self._next != number or index == 0:
            self._loader.set_epoch(epoch)
            self._loader.start_at(index)
            self._pass = iter(self._loader)
        self._next = number + 1
        return next(self._pass)


@dataclass(frozen=True)
class Preset:
    """Options with the recipe that was published with them.

    Args:
        options: the algorithm's own dataclass.
        recipe: of the weights.
    """

    options: Any
    recipe: Recipe = SMALL
