"""A user's loader of batches as the training images of a training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from oneshot.data.split import Batch
from oneshot.errors import InvalidOption


def count_batches(loader: Iterable[Batch]) -> int:
    """Return the number of batches of a loader.

    Raises:
        InvalidOption: The loader has no length and is used up by one pass.
    """
    try:
        return len(loader)  # type: ignore[arg-type]
    except TypeError:
        if isinstance(loader, Iterator):
            raise InvalidOption(
                "train_loader needs a length, or to begin again in each epoch, unlike a generator"
            ) from None
        return sum(1 for _ in loader)


class LoaderSource:
    """Training images from a user's loader, which determines their order.

    Args:
        loader: Batches (images, targets), which begin again in each epoch.
        num_batches: Number of batches of an epoch.
    """

    def __init__(self, loader: Any, num_batches: int):
        self.loader = loader
        self.num_batches = num_batches
        self.first = 0

    def __len__(self) -> int:
        return self.num_batches

    def epochs(
        self, batch_size: int, seed: int, *, augment: bool = False, rank: int = 0, ranks: int = 1
    ) -> LoaderSource:
        """Return the source itself: the loader has determined batches and order."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch, by which samplers shuffle."""
        sampler: Any = getattr(self.loader, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)

    def start_at(self, step: int) -> None:
        """Begin the next epoch at a step of it, after resuming."""
        self.first = step

    def __iter__(self) -> Iterator[Batch]:
        # Only the first epoch after resuming begins in the middle.
        first = self.first
        self.first = 0

        # A loader cannot seek, so the batches of earlier steps are read and skipped.
        batches = iter(self.loader)
        for index, batch in enumerate(batches):
            # Iterators such as DALI's begin again only once they were read beyond their end.
            if index + 1 == self.num_batches:
                next(batches, None)
            if index >= first:
                yield batch
