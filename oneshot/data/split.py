"""What a part of a data set offers, in memory or in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from oneshot.data.augmentation import Augmentation

Batch = tuple[Tensor, Tensor]
"""Images (float [b, channels, height, width], channels-last, normalised) and labels (int64 [b])."""

Indices = Sequence[int] | np.ndarray | Tensor


class EpochLoader(Protocol):
    """Shuffled training batches; what they hold depends on (seed, epoch, step) alone."""

    def __len__(self) -> int:
        """Steps an epoch, the same on every rank."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass."""

    def start_at(self, step: int) -> None:
        """Let the next pass begin at this step; nothing before it is read."""

    def __iter__(self) -> Iterator[Batch]:
        """One pass."""


class Split(Protocol):
    """A part of a data set."""

    @property
    def labels(self) -> Tensor:
        """Class of each image, int64 [n]."""

    @property
    def augmentation(self) -> Augmentation:
        """What `epochs(augment=True)` does."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Files that could not be read so far, with the reason; none in memory."""

    def __len__(self) -> int:
        """How many images."""

    def epochs(
        self,
        batch_size: int,
        seed: int,
        *,
        augment: bool | Augmentation = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> EpochLoader:
        """Shuffled batches for training.

        Args:
            batch_size: images a step and rank; what does not fill a step of all ranks is left out
                of the epoch.
            seed: of the order and of the augmentation.
            augment: True for the split's own `augmentation`, or another one.
            rank: of this process.
            ranks: how many processes share the epoch. Together they see the batches of one process
                with `batch_size * ranks`.
        """

    def batches(self, batch_size: int, indices: Indices | None = None) -> Iterator[Batch]:
        """Every image once, in order, with the preprocessing of evaluation; the last batch may be
        short.

        Args:
            batch_size: images a batch.
            indices: of the images (default: all).
        """

    def tensors(self, indices: Indices | None = None) -> Batch:
        """The same images at once, read now; unreadable files are left out."""
