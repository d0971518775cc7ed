"""The interface of a part of a data set, in memory or in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from oneshot.data.augmentation import Augmentation

Batch = tuple[Any, Any]
"""Inputs and targets, which are a tensor or `Padded`.

Images are float [b, channels, height, width], channels-last and normalised. Inputs of a model that
takes several are a tuple or a dictionary of tensors [b, ...]. Classes are int64 [b].
"""

Indices = Sequence[int] | np.ndarray | Tensor


class EpochLoader(Protocol):
    """Shuffled training batches, which depend only on (seed, epoch, step)."""

    def __len__(self) -> int:
        """Return the number of steps per epoch, the same on every rank."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass."""

    def start_at(self, step: int) -> None:
        """Start the next pass at this step; earlier steps are not read."""

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over one pass."""


class Split(Protocol):
    """A part of a data set."""

    @property
    def labels(self) -> Any:
        """Targets [n], a tensor or `Padded`; classes are int64."""

    @property
    def augmentation(self) -> Augmentation:
        """Augmentation of `epochs(augment=True)`."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Files that could not be read so far, with the reason; empty in memory."""

    def __len__(self) -> int:
        """Return the number of images."""

    def epochs(
        self,
        batch_size: int,
        seed: int,
        *,
        augment: bool | Augmentation = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> EpochLoader:
        """Return shuffled batches for training.

        Args:
            batch_size: Images per step and rank; an incomplete step of all ranks is dropped from
                the epoch.
            seed: Seed of the order and of the augmentation.
            augment: True for the split's own `augmentation`, or another augmentation.
            rank: Index of this process.
            ranks: Number of processes that share the epoch. Together they see the batches of a
                single process with `batch_size * ranks`.
        """

    def batches(self, batch_size: int, indices: Indices | None = None) -> Iterator[Batch]:
        """Yield every image once, in order, with the preprocessing of evaluation.

        Args:
            batch_size: Images per batch; the last batch may be smaller.
            indices: Indices of the images; None for all.
        """

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return the same images in one batch, without unreadable files."""
