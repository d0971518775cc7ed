"""Augmentation of training images: what is drawn, and what is done to batches.

Every draw is a number from 0 to 1 that `order.EpochOrder` makes from (seed, epoch, step), so that
both loaders and any number of worker processes see the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from oneshot.errors import InvalidOption

ATTEMPTS = 10
FLIP, JITTER, POSITION, CUTOUT, CROPS = 0, slice(1, 4), slice(4, 6), slice(6, 8), 8
NUMBERS = CROPS + 2 * ATTEMPTS
"""Numbers drawn for each image: flip, three of the colours, position of the crop, of the cutout,
attempts at a crop.
"""

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images, at random.

    Args:
        flip: probability of a horizontal flip.
        jitter: brightness, contrast and saturation are each scaled by a factor from 1 - jitter to 1
            + jitter.
        area: least and greatest share of the image's area that a random resized crop takes; of
            folders only.
        padding: black pixels on each side, of which a random crop of the old size is taken; of sets
            in memory only.
        cutout: side in pixels of a square that is set to the mean (arXiv 1708.04552); 0 for none.
    """

    flip: float = 0.5
    jitter: float = 0.0
    area: tuple[float, float] = (0.08, 1.0)
    padding: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise InvalidOption(f"flip must lie in [0, 1], not {self.flip}")
        if not 0 <= self.jitter <= 1:
            raise InvalidOption(f"jitter must lie in [0, 1], not {self.jitter}")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise InvalidOption(
                f"area must be two shares, 0 < least <= greatest <= 1, not {self.area}"
            )
        if self.padding < 0 or self.cutout < 0:
            raise InvalidOption(
                f"padding and cutout must not be negative, not {self.padding} and {self.cutout}"
            )

    def factors(self, numbers: np.ndarray) -> np.ndarray:
        """Factors of brightness, contrast and saturation, float32 [n, 3], from drawn numbers [n,
        NUMBERS].
        """
        scaled: np.ndarray = (1 + self.jitter * (2 * numbers[:, JITTER] - 1)).astype(np.float32)
        return scaled

    def flips(self, numbers: np.ndarray) -> np.ndarray:
        """Which images are flipped, bool [n]."""
        chosen: np.ndarray = numbers[:, FLIP] < self.flip
        return chosen

    def crop(self, width: int, height: int, numbers: np.ndarray) -> tuple[int, int, int, int]:
        """Box (left, top, right, bottom) of a random resized crop (arXiv 1409.4842), in whole
        pixels.

        The area is drawn from `area`, the ratio of width to height log-uniformly from 3/4 to 4/3;
        where none of ten attempts fits into the image, the largest centred box with a ratio in
        these bounds is taken.

        Args:
            width: of the image.
            height: of the image.
            numbers: [NUMBERS] drawn for the image.
        """
        least, greatest = self.area
        bound = math.log(4 / 3)
        attempts = numbers[CROPS:].reshape(ATTEMPTS, 2).astype(np.float64)
        areas = width * height * (least + (greatest - least) * attempts[:, 0])
        ratios = np.exp(bound * (2 * attempts[:, 1] - 1))
        widths, heights = np.rint(np.sqrt(areas * ratios)), np.rint(np.sqrt(areas / ratios))
        fits = (widths > 0) & (heights > 0) & (widths <= width) & (heights <= height)
        if fits.any():
            first = int(fits.argmax())
            across, down = int(widths[first]), int(heights[first])
            x, y = numbers[POSITION].astype(np.float64)
            left, top = (
                min(int(x * (width - across + 1)), width - across),
                min(int(y * (height - down + 1)), height - down),
            )
        else:
            ratio = min(max(width / height, 3 / 4), 4 / 3)
            across, down = min(width, round(height * ratio)), min(height, round(width / ratio))
            left, top = (width - across) // 2, (height - down) // 2
        return left, top, left + across, top + down


def shift_and_flip(
    images: Tensor, numbers: np.ndarray, augmentation: Augmentation, fill: float = 0
) -> Tensor:
    """Random crops of the padded images, flipped where drawn.

    Args:
        images: [b, channels, height, width] of any type.
        numbers: [b, NUMBERS].
        augmentation: its padding and flip are used.
        fill: what is padded.
    """
    height, width = images.shape[2:]
    padding = augmentation.padding
    steps = 2 * padding + 1
    shifts = np.minimum((numbers[:, POSITION] * steps).astype(np.int64), steps - 1).tolist()
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(images.permute(0, 2, 3, 1).numpy(), around, constant_values=fill)
    chosen = np.empty((len(images), height, width, images.shape[1]), padded.dtype)
    for image, source, (x, y), flipped in zip(
        chosen, padded, shifts, augmentation.flips(numbers).tolist(), strict=True
    ):
        part = source[y : y + height, x : x + width]
        image[:] = part[:, ::-1] if flipped else part
    return torch.from_numpy(chosen).permute(0, 3, 1, 2)


def jitter(pixels: Tensor, factors: Tensor) -> Tensor:
    """Scale saturation, then contrast (about 128), then brightness, and clip: NVIDIA DALI's colour
    twist.

    Args:
        pixels: uint8 [b, 3, height, width], RGB.
        factors: float [b, 3] of brightness, contrast and saturation.
    """
    brightness, contrast, saturation = factors.T[:, :, None, None]
    grey = torch.tensor(LUMA).expand(3, 3)
    matrices = brightness * contrast * (saturation * torch.eye(3) + (1 - saturation) * grey)
    offsets = (brightness * (1 - contrast) * 128).expand(-1, 1, 3)
    count, _, height, width = pixels.shape
    given = pixels.permute(0, 2, 3, 1).reshape(count, height * width, 3)
    found = torch.empty_like(given)
    # One image at a time, in the same room, stays in the processor's cache.
    colours, mixed = torch.empty(2, height * width, 3)
    for result, image, matrix, offset in zip(found, given, matrices, offsets, strict=True):
        torch.addmm(offset, colours.copy_(image), matrix.T, out=mixed)
        result.copy_(mixed.round_().clamp_(0, 255))
    return found.view(count, height, width, 3).permute(0, 3, 1, 2)


def cut_out(images: Tensor, numbers: np.ndarray, side: int) -> Tensor:
    """Set a square to 0 in place; its centre is drawn over the whole image, so that it may reach
    beyond.

    Args:
        images: float [b, channels, height, width], normalised.
        numbers: [b, NUMBERS].
        side: of the square in pixels.
    """
    height, width = images.shape[2:]
    centres = (numbers[:, CUTOUT] * (height, width)).astype(np.int64)
    for image, (y, x) in zip(images, centres.tolist(), strict=True):
        top, left = y - side // 2, x - side // 2
        image[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
    return images
