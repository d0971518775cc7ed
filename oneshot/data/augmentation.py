"""Augmentation of training images: its random numbers, and its effect on batches.

Every random number lies in [0, 1) and is drawn by `epoch_order.EpochOrder` from (seed, epoch,
step), so that both loaders and any number of worker processes see the same images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from oneshot.errors import InvalidOption

# As in torchvision's RandomResizedCrop.
ATTEMPTS = 10
FLIP, JITTER, POSITION, CUTOUT, CROPS = 0, slice(1, 4), slice(4, 6), slice(6, 8), 8
NUMBERS = CROPS + 2 * ATTEMPTS
"""Random numbers per image: flip, three of the colours, position of the crop and of the cutout,
and two for each attempt at a crop.
"""

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images.

    Args:
        flip: Probability of a horizontal flip.
        jitter: Half-width of the range [1 - jitter, 1 + jitter] from which the factors of
            brightness, contrast and saturation are drawn.
        area: Least and greatest fraction of the image's area in a random resized crop. It applies
            to folders only.
        padding: Black pixels added on each side before a random crop of the original size. It
            applies to data sets in memory only.
        cutout: Side in pixels of a square that is set to the mean (arXiv 1708.04552); 0 disables
            it.
        zoom_out: Greatest factor by which the sides of an image are made smaller. It applies to
            scenes only.
        mosaic: Probability that four images share the input, each in a corner (arXiv 2004.10934).
            Only scenes have mosaics.
    """

    flip: float = 0.5
    jitter: float = 0.0
    area: tuple[float, float] = (0.08, 1.0)
    padding: int = 0
    cutout: int = 0
    zoom_out: float = 1.0
    mosaic: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise InvalidOption(f"flip must lie in [0, 1], not {self.flip}")
        if not 0 <= self.jitter <= 1:
            raise InvalidOption(f"jitter must lie in [0, 1], not {self.jitter}")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise InvalidOption(
                f"area must be two fractions, 0 < least <= greatest <= 1, not {self.area}"
            )
        if self.padding < 0 or self.cutout < 0:
            raise InvalidOption(
                f"padding and cutout must not be negative, not {self.padding} and {self.cutout}"
            )
        if self.zoom_out < 1:
            raise InvalidOption(f"zoom_out must be at least 1, not {self.zoom_out}")
        if not 0 <= self.mosaic <= 1:
            raise InvalidOption(f"mosaic must lie in [0, 1], not {self.mosaic}")

    def check_mosaic(self, joins_images: bool) -> None:
        """Check that a part can join images, where some are to be joined.

        Args:
            joins_images: Whether the part can.

        Raises:
            InvalidOption: It cannot.
        """
        if self.mosaic and not joins_images:
            raise InvalidOption(
                "mosaic joins images with boxes or masks, which this data set does not have"
            )

    def factors(self, numbers: np.ndarray) -> np.ndarray:
        """Return factors of brightness, contrast and saturation, float32 [n, 3].

        Args:
            numbers: Random numbers [n, NUMBERS].
        """
        factors: np.ndarray = (1 + self.jitter * (2 * numbers[:, JITTER] - 1)).astype(np.float32)
        return factors

    def flips(self, numbers: np.ndarray) -> np.ndarray:
        """Return which images are flipped, bool [n], from random numbers [n, NUMBERS]."""
        flipped: np.ndarray = numbers[:, FLIP] < self.flip
        return flipped

    def joins(self, numbers: np.ndarray) -> bool:
        """Return whether an image begins a mosaic, from its random numbers [NUMBERS]."""
        # A number of its own, so that single images are the same with and without mosaics.
        return bool(numbers[-1] < self.mosaic)

    def crop(self, width: int, height: int, numbers: np.ndarray) -> tuple[int, int, int, int]:
        """Return the box (left, top, right, bottom) of a random resized crop, in whole pixels.

        The area is drawn from `area`, the ratio of width to height log-uniformly from 3/4 to 4/3
        (arXiv 1409.4842). If none of ten attempts fits into the image, the largest centred box
        with a ratio in these bounds is used.

        Args:
            width: Width of the image in pixels.
            height: Height of the image in pixels.
            numbers: Random numbers [NUMBERS] of the image.
        """
        least, greatest = self.area

        # All ten attempts at once: their random numbers are drawn in advance, whether used or not.
        bound = math.log(4 / 3)
        attempts = numbers[CROPS:].reshape(ATTEMPTS, 2).astype(np.float64)
        areas = width * height * (least + (greatest - least) * attempts[:, 0])
        ratios = np.exp(bound * (2 * attempts[:, 1] - 1))
        widths = np.rint(np.sqrt(areas * ratios))
        heights = np.rint(np.sqrt(areas / ratios))
        fits = (widths > 0) & (heights > 0) & (widths <= width) & (heights <= height)

        if fits.any():
            first = int(fits.argmax())
            across = int(widths[first])
            down = int(heights[first])
            x, y = numbers[POSITION].astype(np.float64)
            left = min(int(x * (width - across + 1)), width - across)
            top = min(int(y * (height - down + 1)), height - down)
        else:
            ratio = min(max(width / height, 3 / 4), 4 / 3)
            across = min(width, round(height * ratio))
            down = min(height, round(width / ratio))
            left = (width - across) // 2
            top = (height - down) // 2

        return left, top, left + across, top + down


def shift_and_flip(
    images: Tensor, numbers: np.ndarray, augmentation: Augmentation, fill: float = 0
) -> Tensor:
    """Crop the padded images at random and flip some of them.

    Args:
        images: Images [b, channels, height, width] of any type.
        numbers: Random numbers [b, NUMBERS].
        augmentation: Supplies padding and the probability of a flip.
        fill: Value of the padding.
    """
    height, width = images.shape[2:]
    padding = augmentation.padding
    positions = 2 * padding + 1
    shifts = np.minimum((numbers[:, POSITION] * positions).astype(np.int64), positions - 1)
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(images.permute(0, 2, 3, 1).numpy(), widths, constant_values=fill)

    # One image at a time, because each has its own shift.
    crops = np.empty((len(images), height, width, images.shape[1]), padded.dtype)
    for crop, source, (x, y), flipped in zip(
        crops, padded, shifts.tolist(), augmentation.flips(numbers).tolist(), strict=True
    ):
        window = source[y : y + height, x : x + width]
        crop[:] = window[:, ::-1] if flipped else window

    return torch.from_numpy(crops).permute(0, 3, 1, 2)


def jitter(pixels: Tensor, factors: Tensor) -> Tensor:
    """Scale saturation, then contrast (about 128), then brightness, and clip.

    This is the colour twist of NVIDIA DALI, so that both loaders give the same colours.

    Args:
        pixels: RGB images, uint8 [b, 3, height, width].
        factors: Factors of brightness, contrast and saturation, float [b, 3].
    """
    brightness, contrast, saturation = factors.T[:, :, None, None]
    grey = torch.tensor(LUMA).expand(3, 3)
    matrices = brightness * contrast * (saturation * torch.eye(3) + (1 - saturation) * grey)
    offsets = (brightness * (1 - contrast) * 128).expand(-1, 1, 3)
    count, _, height, width = pixels.shape
    sources = pixels.permute(0, 2, 3, 1).reshape(count, height * width, 3)
    results = torch.empty_like(sources)

    # One image at a time, in the same buffers, stays in the processor's cache.
    colours, mixed = torch.empty(2, height * width, 3)
    for result, source, matrix, offset in zip(results, sources, matrices, offsets, strict=True):
        torch.addmm(offset, colours.copy_(source), matrix.T, out=mixed)
        result.copy_(mixed.round_().clamp_(0, 255))

    return results.view(count, height, width, 3).permute(0, 3, 1, 2)


def cut_out(images: Tensor, numbers: np.ndarray, side: int) -> Tensor:
    """Set a square of each image to 0, in place.

    The centre is drawn over the whole image, so that the square may reach beyond its border.

    Args:
        images: Normalised images, float [b, channels, height, width].
        numbers: Random numbers [b, NUMBERS].
        side: Side of the square in pixels.
    """
    height, width = images.shape[2:]
    centres = (numbers[:, CUTOUT] * (height, width)).astype(np.int64)
    for image, (y, x) in zip(images, centres.tolist(), strict=True):
        top = y - side // 2
        left = x - side // 2

        # A negative index would count from the other border.
        image[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
    return images
