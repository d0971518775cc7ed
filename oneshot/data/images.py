"""Data sets with their three parts, and parts of preprocessed images in memory."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from oneshot.data.augmentation import Augmentation, cut_out, shift_and_flip
from oneshot.data.epoch_order import OrderLoader, Task
from oneshot.data.memory import MemorySplit, select_images
from oneshot.data.padded import Targets
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.request import DataRequest, title
from oneshot.data.split import Batch, Indices, Split
from oneshot.errors import InvalidOption

AS_IS = Augmentation(flip=0)


@dataclass(frozen=True)
class ImageSplit(MemorySplit):
    """Preprocessed images in memory.

    Args:
        images: Normalised images, float [n, channels, height, width].
        labels: Target of each image, such as its class, int [n].
        augmentation: Augmentation of `epochs(augment=True)`.
    """

    images: Tensor
    labels: Targets
    augmentation: Augmentation = AS_IS

    @classmethod
    def from_tensors(
        cls, images: Tensor, labels: Targets, augmentation: Augmentation = AS_IS
    ) -> ImageSplit:
        """Return a split of images in channels-last memory format.

        Processors train depthwise networks 1.4 times faster in that format.
        """
        return cls(images.contiguous(memory_format=torch.channels_last), labels, augmentation)

    @functools.cached_property
    def darkest(self) -> float:
        """The least value of all images, which pads them in place of black."""
        return float(self.images.min())

    def epochs(
        self,
        batch_size: int,
        seed: int,
        *,
        augment: bool | Augmentation = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> OrderLoader:
        """Return shuffled batches for training; see `Split.epochs`.

        Raises:
            InvalidOption: The augmentation jitters colours, which needs pixels.
        """
        if isinstance(augment, Augmentation) and augment.jitter:
            raise InvalidOption(
                "jitter needs pixels; the images of this data set are already normalised"
            )
        return super().epochs(batch_size, seed, augment=augment, rank=rank, ranks=ranks)

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return the images and labels."""
        if indices is None:
            return self.images, self.labels
        return next(self.batches(max(len(indices), 1), indices), (self.images[:0], self.labels[:0]))

    def make_batch(self, task: Task, augmentation: Augmentation) -> Batch:
        """Return the batch of a task."""
        index = torch.from_numpy(task.indices)
        images = select_images(self.images, index)
        if task.numbers is not None:
            images = shift_and_flip(images, task.numbers, augmentation, self.darkest)
            if augmentation.cutout:
                images = cut_out(images, task.numbers, augmentation.cutout)
        return images.contiguous(memory_format=torch.channels_last), self.labels[index]


@dataclass(frozen=True)
class ImageData:
    """A data set with three parts; searches never see the test part.

    Args:
        name: Name by which `oneshot.data.load` finds the set again.
        train: Images for training weights.
        validation: Images for ranking architectures, split off the training images.
        test: Images for the delivered network only.
        num_classes: Number of classes.
        split_seed: Seed of the split.
        classes: Names of the classes; empty if they have none.
        digest: SHA-256 over the images and labels of each part.
        preprocessing: Preprocessing of the images; None if the source preprocessed them.
        request: The request that `oneshot.data.load` was called with.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    num_classes: int
    split_seed: int
    classes: tuple[str, ...] = ()
    digest: str = ""
    preprocessing: Preprocessing | None = None
    request: DataRequest | None = field(default=None, compare=False)

    @property
    def title(self) -> str:
        """Name of the set without the path of its folder."""
        return title(self.name)

    def check_batch(self, batch_size: int) -> None:
        """Check that the training part suffices for batches of a size.

        Raises:
            InvalidOption: It does not; images always do, in smaller batches if need be.
        """
        return

    def record(self) -> dict[str, Any]:
        """Return the record from which `registry.reload` restores the same set, or refuses."""
        record: dict[str, Any] = {
            "name": self.name,
            "split_seed": self.split_seed,
            "num_classes": self.num_classes,
            "images": {
                "train": len(self.train),
                "validation": len(self.validation),
                "test": len(self.test),
            },
            "digest": self.digest,
        }
        if self.request is not None:
            record |= self.request.record()
        return record
