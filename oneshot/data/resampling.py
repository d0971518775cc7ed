"""The evaluated region of an image, and resampling to the network's input."""

from __future__ import annotations

import numpy as np
from PIL import Image

MARGIN = 8 / 7
"""Ratio of the resized short side to the centre crop in evaluation: 256 for 224 pixels."""

Box = tuple[float, float, float, float]


def resized_size(
    width: int, height: int, size: tuple[int, int], rounded: bool = False
) -> tuple[int, int]:
    """Return the size (width, height) to which evaluation resizes an image before its crop.

    The short side becomes `MARGIN` times the input's.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        size: Size (height, width) of the network's input.
        rounded: Whether the long side is rounded, as in the release of SPOS, or cut to whole
            pixels, as in torchvision.
    """
    down = round(size[0] * MARGIN)
    across = round(size[1] * MARGIN)
    scale = max(down / height, across / width)
    offset = 0.5 if rounded else 0.0
    return max(across, int(scale * width + offset)), max(down, int(scale * height + offset))


def centre(width: int, height: int, size: tuple[int, int], rounded: bool = False) -> Box:
    """Return the box (left, top, right, bottom) of the image that evaluation uses.

    It is the centre crop of the resized image. Side and offset are whole pixels of that image, as
    in the papers' code.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        size: Size (height, width) of the network's input.
        rounded: Whether the long side of the resized image is rounded; see `resized_size`.
    """
    resized_width, resized_height = resized_size(width, height, size, rounded)
    left = round((resized_width - size[1]) / 2)
    top = round((resized_height - size[0]) / 2)

    # Back to pixels of the original image.
    x = width / resized_width
    y = height / resized_height
    return left * x, top * y, (left + size[1]) * x, (top + size[0]) * y


def resample(image: Image.Image, box: Box, size: tuple[int, int], antialias: bool) -> np.ndarray:
    """Return a box of an image, resized to uint8 [height, width, 3].

    Args:
        image: Image in RGB.
        box: Box (left, top, right, bottom) in its pixels.
        size: Size (height, width) of the result.
        antialias: Whether to use the triangular filter rather than bilinear interpolation between
            the four nearest pixels.
    """

    # Pillow's bilinear filter is antialiased; it has none without.
    if antialias:
        return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, box=box))
    pixels = np.asarray(image)
    rows = _neighbours(box[1], box[3], size[0], image.height)
    columns = _neighbours(box[0], box[2], size[1], image.width)
    return _bilinear(pixels, rows, columns)


_Axis = tuple[np.ndarray, np.ndarray, np.ndarray]


def _neighbours(low: float, high: float, count: int, size: int) -> _Axis:
    """Return for each output pixel both neighbours and the weight of the second."""
    position = low + (np.arange(count) + 0.5) * (high - low) / count - 0.5
    lower = np.floor(position)
    weight = (position - lower).astype(np.float32)
    index = lower.astype(np.int64)
    return index.clip(0, size - 1), (index + 1).clip(0, size - 1), weight


def _bilinear(pixels: np.ndarray, rows: _Axis, columns: _Axis) -> np.ndarray:
    # Only the columns inside the box are interpolated.
    left = columns[0].min()
    right = columns[1].max() + 1
    window = pixels[:, left:right]
    upper = window[rows[0]].astype(np.float32)
    lines = upper + (window[rows[1]] - upper) * rows[2][:, None, None]

    first = lines[:, columns[0] - left]
    mixed = first + (lines[:, columns[1] - left] - first) * columns[2][None, :, None]
    rounded: np.ndarray = np.rint(mixed, out=mixed).astype(np.uint8)
    return rounded
