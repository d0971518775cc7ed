"""Images on which every architecture is recalibrated and evaluated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.device import free_bytes

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.split import Batch, Split
    from oneshot.evaluation.settings import EvaluationSettings

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class EvaluationImages:
    """Images of an evaluation, which stay on the device.

    Args:
        recalibration: Batches [b, channels, height, width] of training images, all of one size.
        validation: Batches of validation images; the last one may be smaller.
        targets: Targets of the validation batches [b].
    """

    recalibration: list[Tensor]
    validation: list[Tensor]
    targets: list[Any]

    @classmethod
    def from_data(
        cls, data: ImageData, settings: EvaluationSettings, device: torch.device
    ) -> EvaluationImages:
        """Sample images from the training and the validation split.

        Args:
            data: Data set.
            settings: Number of images, precision and seed.
            device: Device that holds the images.

        Raises:
            InvalidRun: A split has no readable image.
            InvalidOption: The memory of the device is too small.
        """
        _check_room(data, settings, device)
        rows = sample_rows(
            len(data.train),
            settings.recalibration_batches * settings.recalibration_batch_size,
            settings.seed,
        )
        training, _ = _read(data.train, rows, settings.precision, device)

        # Batches of one size: a smaller one would have the same weight as the others.
        size = min(settings.recalibration_batch_size, len(training))
        recalibration = torch.split(training[: len(training) // size * size], size)

        # Sorted, so that files are read in their order.
        validation_rows = np.sort(sample_rows(len(data.validation), settings.images, settings.seed))
        images, targets = _read(data.validation, validation_rows, settings.precision, device)
        batch = settings.batch_size
        slices = [slice(begin, begin + batch) for begin in range(0, len(images), batch)]
        return cls(
            list(recalibration),
            [images[index] for index in slices],
            [targets[index] for index in slices],
        )

    @property
    def count(self) -> int:
        """Number of validation images."""
        return sum(map(len, self.targets))

    @property
    def recalibration_count(self) -> int:
        """Number of images on which statistics are computed."""
        return sum(map(len, self.recalibration))


def sample_rows(count: int, size: int, seed: int) -> NDArray[np.int64]:
    """Return up to `size` different numbers below `count`, in random order."""
    return np.random.default_rng(seed).permutation(count)[:size].astype(np.int64)


def _check_room(data: ImageData, settings: EvaluationSettings, device: torch.device) -> None:
    if data.preprocessing is None:
        # The images are in memory already.
        return
    training = min(
        len(data.train), settings.recalibration_batches * settings.recalibration_batch_size
    )
    count = training + min(len(data.validation), settings.images)
    shape = data.preprocessing.input_shape
    needed = count * math.prod(shape) * _TYPES[settings.precision].itemsize
    free = free_bytes(device)
    if needed > free:
        size = " x ".join(map(str, shape))
        raise InvalidOption(
            f"{count} images of {size} need {needed / 1e9:.1f} GB on {device}, where"
            f" {free / 1e9:.1f} GB are free; lower images or recalibration_batches, or take the"
            " precision bf16"
        )


def _read(split: Split, rows: NDArray[np.int64], precision: str, device: torch.device) -> Batch:
    images, targets = split.tensors(rows)
    if not len(targets):
        raise InvalidRun("none of the images that an evaluation needs can be read")
    converted = images.to(device, _TYPES[precision]).contiguous(memory_format=torch.channels_last)
    return converted, targets.to(device)
