"""Parts that lie in memory as pixels, and data sets made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from oneshot.data import validation_split as cut
from oneshot.data.augmentation import Augmentation, cut_out, jitter, shift_and_flip
from oneshot.data.epoch_order import Task
from oneshot.data.images import ImageData
from oneshot.data.memory import MemorySplit, chosen
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.request import DataRequest
from oneshot.data.split import Batch, Indices

CHUNK = 1024
FLIPPED = Augmentation(flip=0.5)

Read = Callable[[np.ndarray], np.ndarray]
"""Pixels, uint8 [k, height, width, channels], of indices [k]."""


@dataclass(frozen=True)
class PixelSplit(MemorySplit):
    """Images as pixels, a quarter of the room; a batch is augmented, resized and normalised when it
    is made.

    Args:
        pixels: uint8 tensor [n, channels, height, width], RGB or grey.
        labels: int tensor [n].
        preprocessing: makes pixels ready.
        augmentation: what `epochs(augment=True)` does, at the pixels' own size.
    """

    pixels: Tensor
    labels: Tensor
    preprocessing: Preprocessing
    augmentation: Augmentation = FLIPPED

    @property
    def images(self) -> Tensor:
        """All images, ready for a network: float [n, channels, height, width]; made anew each
        time.
        """
        return self.tensors()[0]

    def tensors(self, indices: Indices | None = None) -> Batch:
        """The images, ready for a network, and the labels."""
        parts = list(self.batches(CHUNK, indices))
        if not parts:
            return torch.empty(0, *self.preprocessing.input_shape), self.labels[:0]
        images = torch.cat([images for images, _ in parts]).contiguous(
            memory_format=torch.channels_last
        )
        return images, torch.cat([labels for _, labels in parts])

    def made(self, task: Task, how: Augmentation) -> Batch:
        """The batch of a task."""
        index = torch.from_numpy(task.indices)
        pixels, labels = chosen(self.pixels, index), self.labels[index]
        if task.numbers is None:
            return self.preprocessing.normalised(self.preprocessing.resized(pixels)), labels
        pixels = shift_and_flip(pixels, task.numbers, how)
        if how.jitter:
            pixels = jitter(pixels, torch.from_numpy(how.factors(task.numbers)))
        images = self.preprocessing.normalised(self.preprocessing.resized(pixels))
        if how.cutout:
            images = cut_out(images, task.numbers, how.cutout)
        return images, labels


def pixel_data(
    request: DataRequest,
    train: tuple[Read, np.ndarray],
    test: tuple[Read, np.ndarray],
    *,
    classes: Sequence[str],
    colours: tuple[tuple[float, ...], tuple[float, ...]],
    augmentation: Augmentation,
) -> ImageData:
    """A data set in memory, with its validation part cut off; only what the parts hold is read.

    Args:
        request: what was asked for.
        train: pixels by index, and the labels [n], of the set's training part.
        test: the same of its test part.
        classes: their names.
        colours: mean and deviation of each channel, from 0 to 1.
        augmentation: of training images.
    """
    preprocessing = Preprocessing.of(request.preprocessing, request.input_shape, colours)
    places = cut.parts(request, train[1], test[1])

    def part(source: tuple[Read, np.ndarray], index: np.ndarray) -> PixelSplit:
        read, labels = source
        pixels = torch.from_numpy(np.ascontiguousarray(read(index))).permute(0, 3, 1, 2)
        return PixelSplit(
            pixels, torch.from_numpy(labels[index].astype(np.int64)), preprocessing, augmentation
        )

    splits = [
        part(source, index) for source, index in zip((train, train, test), places, strict=True)
    ]
    first, second, third = splits
    return ImageData(
        request.name,
        first,
        second,
        third,
        num_classes=len(classes),
        split_seed=request.split_seed,
        classes=tuple(classes),
        digest=cut.digest(
            ([split.pixels.numpy().data.tobytes()], split.labels.numpy()) for split in splits
        ),
        preprocessing=preprocessing,
        request=request,
    )
