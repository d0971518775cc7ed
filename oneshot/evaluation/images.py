"""The images that every candidate is recalibrated and evaluated on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.device import free_bytes

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.split import Split
    from oneshot.evaluation.settings import EvaluationSettings

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class EvaluationImages:
    """Read once and kept on the device.

    Args:
        recalibration: batches [b, channels, height, width] of training images, all of one size.
        validation: batches of validation images; the last may be short.
        labels: of the validation batches, int64 [b] each.
    """

    recalibration: list[Tensor]
    validation: list[Tensor]
    labels: list[Tensor]

    @classmethod
    def of(
        cls, data: ImageData, settings: EvaluationSettings, device: torch.device
    ) -> EvaluationImages:
        """The images that the settings draw from the training and the validation split.

        Raises:
            InvalidRun: a split has no image that can be read.
            InvalidOption: the device has no room for so many.
        """
        _check_room(data, settings, device)
        rows = drawn(
            len(data.train),
            settings.recalibration_batches * settings.recalibration_batch_size,
            settings.seed,
        )
        training, _ = _read(data.train, rows, settings.precision, device)
        # Batches of one size: a short one would weigh like the others.
        size = min(settings.recalibration_batch_size, len(training))
        recalibration = torch.split(training[: len(training) // size * size], size)
        chosen = np.sort(drawn(len(data.validation), settings.images, settings.seed))
        images, labels = _read(data.validation, chosen, settings.precision, device)
        batch = settings.batch_size
        return cls(
            list(recalibration), list(torch.split(images, batch)), list(torch.split(labels, batch))
        )

    @property
    def count(self) -> int:
        """How many validation images there are."""
        return sum(map(len, self.labels))

    @property
    def recalibration_count(self) -> int:
        """How many images the statistics are computed on."""
        return sum(map(len, self.recalibration))


def drawn(count: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """Up to `wanted` different numbers below `count`, in an order that the seed draws."""
    return np.random.default_rng(seed).permutation(count)[:wanted].astype(np.int64)


def _check_room(data: ImageData, settings: EvaluationSettings, device: torch.device) -> None:
    if data.preprocessing is None:
        return  # its images lie in memory already
    training = min(
        len(data.train), settings.recalibration_batches * settings.recalibration_batch_size
    )
    count = training + min(len(data.validation), settings.images)
    shape = data.preprocessing.input_shape
    needed, free = (
        count * math.prod(shape) * _TYPES[settings.precision].itemsize,
        free_bytes(device),
    )
    if needed > free:
        size = " x ".join(map(str, shape))
        raise InvalidOption(
            f"{count} images of {size} need {needed / 1e9:.1f} GB on {device}, where"
            f" {free / 1e9:.1f} GB are free; lower images or recalibration_batches, or take the"
            " precision bf16"
        )


def _read(
    split: Split, rows: NDArray[np.int64], precision: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    images, labels = split.tensors(rows)
    if not len(labels):
        raise InvalidRun("none of the images that an evaluation needs can be read")
    placed = images.to(device, _TYPES[precision]).contiguous(memory_format=torch.channels_last)
    return placed, labels.to(device)
