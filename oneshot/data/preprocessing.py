"""Preprocessing: from pixels to what a network takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from oneshot.errors import InvalidOption

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's colours, from 0 to 1."""

KINDS = ("standard", "spos")


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become a network's input.

    `standard`: RGB, less the mean and over the deviation, resized by the triangular filter
    (antialiased). `spos`: as the SPOS release trains (arXiv 1904.00420): BGR from 0 to 255, resized
    bilinearly *without* antialiasing.

    Args:
        kind: one of the two.
        input_shape: (channels, height, width) of the network's input.
        mean: of each channel, from 0 to 1.
        deviation: of each channel.
    """

    kind: str
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(
        cls,
        kind: str,
        input_shape: tuple[int, int, int],
        colours: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET,
    ) -> Preprocessing:
        """The preprocessing of a kind.

        Args:
            kind: `standard` or `spos`.
            input_shape: (channels, height, width).
            colours: mean and deviation of the data set's channels, from 0 to 1; `spos` takes none.

        Raises:
            InvalidOption: no such kind.
        """
        if kind not in KINDS:
            raise InvalidOption(f"preprocessing must be {' or '.join(KINDS)}, not {kind!r}")
        if kind == "spos":
            colours = ((0.0,) * len(colours[0]), (1 / 255,) * len(colours[0]))
        return cls(kind, input_shape, *colours)

    @property
    def antialias(self) -> bool:
        """Whether making an image smaller averages over what is left out."""
        return self.kind == "standard"

    @property
    def bgr(self) -> bool:
        """Whether the channels are blue, green, red."""
        return self.kind == "spos"

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of pixels from 0 to 255, float [channels, 1, 1], in the order red,
        green, blue.
        """
        mean, deviation = (
            torch.tensor(values)[:, None, None] * 255 for values in (self.mean, self.deviation)
        )
        return mean, deviation

    @property
    def value_range(self) -> float:
        """The distance of black from white in what the network takes, the mean over channels."""
        return float(sum(1 / deviation for deviation in self.deviation) / len(self.deviation))

    def normalised(self, pixels: Tensor) -> Tensor:
        """A network's input from pixels [b, channels, height, width] in RGB, of any type, from 0 to
        255.
        """
        mean, deviation = (part.to(pixels.device).flatten() for part in self.scale)
        count, channels, height, width = pixels.shape
        images = torch.empty(count, height, width, channels, device=pixels.device)
        images.copy_(pixels.permute(0, 2, 3, 1))
        # Row by row: a vector as long as the channels alone would be too short for the processor.
        rows = images.view(count * height, width * channels)
        rows.sub_(mean.repeat(width)).mul_((1 / deviation).repeat(width))
        images = images.permute(0, 3, 1, 2)
        if images.shape[1] != self.input_shape[0]:
            images = self._in_channels(images)
        if self.bgr:
            images = images.flip(1)
        return images.contiguous(memory_format=torch.channels_last)

    def pixels(self, images: Tensor) -> Tensor:
        """The pixels (uint8, RGB) of a network's input, to be looked at."""
        if self.bgr:
            images = images.flip(1)
        mean, deviation = (part.to(images.device) for part in self.scale)
        return (images * deviation + mean).round().clamp(0, 255).byte()

    def resized(self, pixels: Tensor) -> Tensor:
        """Pixels [b, channels, *, *] of any type at the input's size, as floats where that changes
        them.
        """
        size = self.input_shape[1:]
        if tuple(pixels.shape[2:]) == size:
            return pixels
        return functional.interpolate(
            pixels.float(),
            size=size,
            mode="bilinear",
            align_corners=False,
            antialias=self.antialias,
        )

    def _in_channels(self, images: Tensor) -> Tensor:
        if images.shape[1] == 1:
            return images.expand(-1, self.input_shape[0], -1, -1)
        raise InvalidOption(
            f"images of {images.shape[1]} channels do not fit an input of {self.input_shape[0]}"
        )

    def to_dict(self) -> dict[str, Any]:
        """What an exported network's user must do: kind, size, colour order, mean and deviation,
        antialiasing.
        """
        return {
            **asdict(self),
            "colours": "BGR" if self.bgr else "RGB",
            "antialias": self.antialias,
        }
