"""Images on which every architecture is recalibrated and evaluated."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.device import free_bytes
from spaces.modules.nested import batch_size, mapped

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.split import Batch, Split
    from oneshot.evaluation.settings import EvaluationSettings

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class EvaluationImages:
    """Images of an evaluation, which stay on the device.

    Args:
        recalibration: Batches [b, channels, height, width] of training images, all of one size; or
            tuples or dictionaries of tensors [b, ...].
        validation: Batches of validation images; the last one may be smaller.
        targets: Targets of the validation batches [b].
        recalibration_targets: Targets of the training batches [b].
    """

    recalibration: list[Any]
    validation: list[Any]
    targets: list[Any]
    recalibration_targets: list[Any] = field(default_factory=list)

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
        training, training_targets = _read(data.train, rows, settings.precision, device)

        # Batches of one size: a smaller one would have the same weight as the others.
        count = batch_size(training)
        size = min(settings.recalibration_batch_size, count)
        recalibration = _batches(training, count // size * size, size)
        recalibration_targets = [
            training_targets[index] for index in _slices(count // size * size, size)
        ]

        if getattr(data.validation, "contiguous", False):
            # A state is carried through the text, of which a sample would have no contexts.
            pairs = _first(data.validation, settings, device)
            validation, targets = map(list, zip(*pairs, strict=True))
            return cls(recalibration, validation, targets, recalibration_targets)

        # Sorted, so that files are read in their order.
        validation_rows = np.sort(sample_rows(len(data.validation), settings.images, settings.seed))
        images, targets = _read(data.validation, validation_rows, settings.precision, device)
        count = batch_size(images)
        return cls(
            recalibration,
            _batches(images, count, settings.batch_size),
            [targets[index] for index in _slices(count, settings.batch_size)],
            recalibration_targets,
        )

    @property
    def count(self) -> int:
        """Number of validation images."""
        return sum(map(len, self.targets))


def _first(
    split: Split, settings: EvaluationSettings, device: torch.device
) -> Iterator[tuple[Any, Any]]:
    """Yield the batches of a contiguous split up to the number of images of the settings."""
    count = 0
    dtype = _TYPES[settings.precision]
    for inputs, targets in split.batches(settings.batch_size):
        moved = mapped(inputs, lambda tensor: _converted(tensor, device, dtype))
        yield moved, targets.to(device)
        count += len(targets)
        if count >= settings.images:
            return


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
    dtype = _TYPES[precision]
    return mapped(images, lambda tensor: _converted(tensor, device, dtype)), targets.to(device)


def _converted(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a tensor on a device, images in channels-last memory format."""
    # Tokens and masks keep their type.
    moved = tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)
    return moved.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else moved


def _batches(inputs: Any, count: int, size: int) -> list[Any]:
    """Return the batches of the first `count` rows, of which the last one may be smaller."""
    return [mapped(inputs, operator.itemgetter(index)) for index in _slices(count, size)]


def _slices(count: int, size: int) -> list[slice]:
    return [slice(begin, min(begin + size, count)) for begin in range(0, count, size)]
