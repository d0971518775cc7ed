"""Pixels from 0 to 1 behind the normalised images that networks read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from oneshot.errors import InvalidOption

if TYPE_CHECKING:
    from oneshot.data.images import ImageData

_BATCH = 500


@dataclass(frozen=True)
class PixelScale:
    """Mean and deviation by which pixels from 0 to 1 were normalised.

    Args:
        mean: Mean of each channel, in the channels' order of the network's input.
        deviation: Standard deviation of each channel.
        is_bgr: Whether the channels are in the order blue, green, red.

    Example:
        >>> scale = PixelScale((0.5,), (0.25,))
        >>> scale.to_pixels(torch.tensor([[[[-2.0, 0.0, 2.0]]]])).flatten().tolist()
        [0.0, 0.5, 1.0]
    """

    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    is_bgr: bool = False

    @classmethod
    def from_data(cls, data: ImageData, name: str) -> PixelScale:
        """Return the scale of a data set's images.

        Where the data set does not name its preprocessing, the least and the greatest value of all
        training images are taken for black and white.

        Args:
            data: Data set.
            name: Name of the perturbation, for the error.

        Raises:
            InvalidOption: The inputs are not images.
        """
        example, _ = data.train.tensors(range(1))
        check_images(example, name)
        if data.preprocessing is not None:
            mean = data.preprocessing.mean
            deviation = data.preprocessing.deviation
            if not data.preprocessing.bgr:
                return cls(mean, deviation)

            # Images were normalised in RGB and reversed afterwards.
            return cls(mean[::-1], deviation[::-1], is_bgr=True)

        extremes = [torch.stack(torch.aminmax(images)) for images, _ in data.train.batches(_BATCH)]
        stacked = torch.stack(extremes)
        black = float(stacked[:, 0].min())
        white = float(stacked[:, 1].max())
        if white <= black:
            raise InvalidOption(
                f"under {name}: all pixels of {data.title} are equal; images with different pixels"
                " are needed"
            )
        return cls((-black / (white - black),), (1 / (white - black),))

    def to_pixels(self, images: Tensor) -> Tensor:
        """Return pixels, mostly from 0 to 1, of normalised images [b, channels, h, w]."""
        return images * self.factor(images) + self._mean(images)

    def from_pixels(self, pixels: Tensor) -> Tensor:
        """Return the normalised images of pixels [b, channels, h, w]."""
        return (pixels - self._mean(pixels)) / self.factor(pixels)

    def to_rgb(self, images: Tensor) -> Tensor:
        """Return pixels of normalised images, with three channels in the order RGB."""
        pixels = self.to_pixels(images)
        return pixels.flip(1) if self.is_bgr else pixels

    def from_rgb(self, pixels: Tensor) -> Tensor:
        """Return the normalised images of the pixels that `to_rgb` returns."""
        return self.from_pixels(pixels.flip(1) if self.is_bgr else pixels)

    def factor(self, images: Tensor) -> Tensor:
        """Return the pixel values [1, channels, 1, 1] of a difference of 1 in normalised images."""
        return images.new_tensor(self.deviation).view(1, -1, 1, 1)

    def _mean(self, images: Tensor) -> Tensor:
        return images.new_tensor(self.mean).view(1, -1, 1, 1)


def check_images(inputs: Any, name: str) -> Tensor:
    """Return inputs that are one batch of images.

    Args:
        inputs: Inputs of a batch.
        name: Name of the perturbation, for the error.

    Raises:
        InvalidOption: They are tokens, or several tensors.
    """
    if not isinstance(inputs, Tensor) or inputs.ndim != 4 or not inputs.is_floating_point():
        raise InvalidOption(
            f"under {name}: images [b, channels, height, width] are needed; the inputs of this data"
            " set are others, for which clean, int8 and weight-faults are possible"
        )
    return inputs
