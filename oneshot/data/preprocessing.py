"""Preprocessing: from pixels to the input of a network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from oneshot.errors import InvalidOption

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of the colours of ImageNet, from 0 to 1."""

KINDS = ("standard", "spos")


@dataclass(frozen=True)
class Preprocessing:
    """Conversion of pixels to the input of a network.

    `standard`: RGB, normalised by mean and deviation, resized by the triangular filter
    (antialiased). `spos`: the preprocessing of the SPOS release (arXiv 1904.00420): BGR from 0 to
    255, resized bilinearly *without* antialiasing, to a long side that is rounded.

    Args:
        kind: `standard` or `spos`.
        input_shape: Shape (channels, height, width) of the network's input.
        mean: Mean of each channel, from 0 to 1.
        deviation: Standard deviation of each channel, in the same unit.
    """

    kind: str
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def from_kind(
        cls,
        kind: str,
        input_shape: tuple[int, int, int],
        colours: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET,
    ) -> Preprocessing:
        """Return the preprocessing of a kind.

        Args:
            kind: `standard` or `spos`.
            input_shape: Shape (channels, height, width) of the network's input.
            colours: Mean and deviation of the data set's channels, from 0 to 1; ignored by `spos`.

        Raises:
            InvalidOption: The kind is unknown.
        """
        if kind not in KINDS:
            raise InvalidOption(f"preprocessing must be {' or '.join(KINDS)}, not {kind!r}")
        if kind == "spos":
            # Pixels stay in the range from 0 to 255.
            colours = ((0.0,) * len(colours[0]), (1 / 255,) * len(colours[0]))
        return cls(kind, input_shape, *colours)

    @property
    def antialias(self) -> bool:
        """Whether shrinking an image averages over the removed pixels."""
        return self.kind == "standard"

    @property
    def rounds_sizes(self) -> bool:
        """Whether the long side of a resized image is rounded, or cut to whole pixels."""
        return self.kind == "spos"

    @property
    def bgr(self) -> bool:
        """Whether the channels are in the order blue, green, red."""
        return self.kind == "spos"

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of RGB pixels from 0 to 255, each float [channels, 1, 1]."""
        mean, deviation = (
            torch.tensor(values)[:, None, None] * 255 for values in (self.mean, self.deviation)
        )
        return mean, deviation

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return the network's input.

        Args:
            pixels: Pixels in RGB from 0 to 255, of any type, [b, channels, height, width].

        Raises:
            InvalidOption: The number of channels does not fit the input.
        """
        mean, deviation = (values.to(pixels.device).flatten() for values in self.scale)
        count, channels, height, width = pixels.shape
        images = torch.empty(count, height, width, channels, device=pixels.device)
        images.copy_(pixels.permute(0, 2, 3, 1))

        # Row by row: a vector of the channels alone is too short for the processor's vector units.
        rows = images.view(count * height, width * channels)
        rows.sub_(mean.repeat(width)).mul_((1 / deviation).repeat(width))

        images = images.permute(0, 3, 1, 2)
        if images.shape[1] != self.input_shape[0]:
            images = self._in_channels(images)
        if self.bgr:
            images = images.flip(1)
        return images.contiguous(memory_format=torch.channels_last)

    def pixels(self, images: Tensor) -> Tensor:
        """Return the pixels (uint8, RGB) of a network's input, for display."""
        if self.bgr:
            images = images.flip(1)
        mean, deviation = (values.to(images.device) for values in self.scale)
        return (images * deviation + mean).round().clamp(0, 255).byte()

    def resized(self, pixels: Tensor) -> Tensor:
        """Resize pixels [b, channels, *, *] of any type to the input's size.

        The result is float unless the size is unchanged.
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
        """Return the settings that a user of an exported network has to apply."""
        return {
            **asdict(self),
            "colours": "BGR" if self.bgr else "RGB",
            "antialias": self.antialias,
        }
