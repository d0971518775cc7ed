"""Training images with an augmentation other than their data set's own."""

from __future__ import annotations

from oneshot.data.augmentation import Augmentation
from oneshot.data.split import EpochLoader, Split

AUGMENTED_FROM = 10_000
"""Number of training images from which on a data set is augmented by default."""


class Augmented:
    """The training images of a split under a given augmentation.

    Args:
        split: Source of the images.
        augmentation: Random changes of the images, in place of the split's own.
    """

    def __init__(self, split: Split, augmentation: Augmentation):
        self.split = split
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.split)

    def epochs(
        self, batch_size: int, seed: int, *, augment: bool = False, rank: int = 0, ranks: int = 1
    ) -> EpochLoader:
        """Return shuffled batches; see `Split.epochs`."""
        augmentation = self.augmentation if augment else False
        return self.split.epochs(batch_size, seed, augment=augmentation, rank=rank, ranks=ranks)
