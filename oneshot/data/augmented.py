"""Training images with another augmentation than their data set's own."""

from __future__ import annotations

from oneshot.data.augmentation import Augmentation
from oneshot.data.split import EpochLoader, Split

AUGMENTED_FROM = 10_000
"""Training images of a data set from which on they are augmented by default."""


class Augmented:
    """The training images of a split, augmented in a given way.

    Args:
        split: where they come from.
        augmentation: what is done to them.
    """

    def __init__(self, split: Split, augmentation: Augmentation):
        self.split, self.augmentation = split, augmentation

    def __len__(self) -> int:
        return len(self.split)

    def epochs(
        self, batch_size: int, seed: int, *, augment: bool = False, rank: int = 0, ranks: int = 1
    ) -> EpochLoader:
        """Shuffled batches; see `Split`."""
        how = self.augmentation if augment else False
        return self.split.epochs(batch_size, seed, augment=how, rank=rank, ranks=ranks)
