"""Parts in memory as pixels, and data sets made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from oneshot.data import validation_split
from oneshot.data.augmentation import Augmentation, cut_out, jitter, shift_and_flip
from oneshot.data.epoch_order import Task
from oneshot.data.images import ImageData
from oneshot.data.memory import MemorySplit, select_images
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.request import DataRequest
from oneshot.data.split import Batch, Indices

CHUNK = 1024
FLIPPED = Augmentation(flip=0.5)

Read = Callable[[np.ndarray], np.ndarray]
"""Function from indices [k] to pixels, uint8 [k, height, width, channels]."""


@dataclass(frozen=True)
class PixelSplit(MemorySplit):
    """Images as pixels, which need a quarter of the memory of floats.

    A batch is augmented, resized and normalised when it is assembled.

    Args:
        pixels: Pixels in RGB or grey, uint8 [n, channels, height, width].
        labels: Class of each image, int [n].
        preprocessing: Conversion of pixels to the network's input.
        augmentation: Augmentation of `epochs(augment=True)`, at the pixels' own size.
    """

    pixels: Tensor
    labels: Tensor
    preprocessing: Preprocessing
    augmentation: Augmentation = FLIPPED

    @property
    def images(self) -> Tensor:
        """All preprocessed images, float [n, channels, height, width], computed at each access."""
        images: Tensor = self.tensors()[0]
        return images

    def tensors(self, indices: Indices | None = None) -> Batch:
        """Return the preprocessed images and the labels."""
        batches = list(self.batches(CHUNK, indices))
        if not batches:
            return torch.empty(0, *self.preprocessing.input_shape), self.labels[:0]

        images = torch.cat([images for images, _ in batches])
        labels = torch.cat([labels for _, labels in batches])
        return images.contiguous(memory_format=torch.channels_last), labels

    def make_batch(self, task: Task, augmentation: Augmentation) -> Batch:
        """Return the batch of a task."""
        index = torch.from_numpy(task.indices)
        pixels = select_images(self.pixels, index)
        labels = self.labels[index]
        if task.numbers is None:
            return self.preprocessing.normalised(self.preprocessing.resized(pixels)), labels

        # Augmented before resizing, so that shifts are whole pixels of the source.
        pixels = shift_and_flip(pixels, task.numbers, augmentation)
        if augmentation.jitter:
            pixels = jitter(pixels, torch.from_numpy(augmentation.factors(task.numbers)))
        images = self.preprocessing.normalised(self.preprocessing.resized(pixels))
        if augmentation.cutout:
            images = cut_out(images, task.numbers, augmentation.cutout)

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
    """Return a data set in memory, with a validation part split off the training part.

    Only the images of the parts are read.

    Args:
        request: The request.
        train: Function that reads pixels by index, and the labels [n], of the training part.
        test: The same for the test part.
        classes: Names of the classes.
        colours: Mean and deviation of each channel, from 0 to 1.
        augmentation: Augmentation of training images.
    """
    preprocessing = Preprocessing.from_kind(request.preprocessing, request.input_shape, colours)
    indices = validation_split.parts(request, train[1], test[1])

    def split(source: tuple[Read, np.ndarray], index: np.ndarray) -> PixelSplit:
        read, labels = source

        # Reading by index copies the pixels of this part only.
        pixels = torch.from_numpy(np.ascontiguousarray(read(index))).permute(0, 3, 1, 2)
        return PixelSplit(
            pixels, torch.from_numpy(labels[index].astype(np.int64)), preprocessing, augmentation
        )

    splits = [
        split(source, index) for source, index in zip((train, train, test), indices, strict=True)
    ]
    return ImageData(
        request.name,
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        num_classes=len(classes),
        split_seed=request.split_seed,
        classes=tuple(classes),
        digest=validation_split.digest(
            ([split.pixels.numpy().data.tobytes()], split.labels.numpy()) for split in splits
        ),
        preprocessing=preprocessing,
        request=request,
    )
