"""Which part of an image a network sees, and how it gets its size."""

from __future__ import annotations

import numpy as np
from PIL import Image

MARGIN = 8 / 7
"""In evaluation the short side becomes so many times the input's before the centre is cut out: 256
for 224.
"""

Box = tuple[float, float, float, float]


def centre(width: int, height: int, size: tuple[int, int]) -> Box:
    """Box (left, top, right, bottom) in the image that evaluation sees.

    It is what the centre crop takes of the image whose short side was resized to `MARGIN` times the
    input's; side and offset are whole pixels of the resized image, as in the papers' code.

    Args:
        width: of the image.
        height: of the image.
        size: (height, width) of the network's input.
    """
    down, across = round(size[0] * MARGIN), round(size[1] * MARGIN)
    scale = max(down / height, across / width)
    resized = max(across, int(width * scale)), max(down, int(height * scale))
    left, top = round((resized[0] - size[1]) / 2), round((resized[1] - size[0]) / 2)
    x, y = width / resized[0], height / resized[1]
    return left * x, top * y, (left + size[1]) * x, (top + size[0]) * y


def resample(image: Image.Image, box: Box, size: tuple[int, int], antialias: bool) -> np.ndarray:
    """The box of an image at a size, uint8 [height, width, 3].

    Args:
        image: in RGB.
        box: (left, top, right, bottom) in its pixels.
        size: (height, width) of the result.
        antialias: by the triangular filter, or bilinearly between the four nearest pixels.
    """
    if antialias:
        return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, box=box))
    pixels = np.asarray(image)
    rows = _neighbours(box[1], box[3], size[0], image.height)
    columns = _neighbours(box[0], box[2], size[1], image.width)
    return _bilinear(pixels, rows, columns)


_Axis = tuple[np.ndarray, np.ndarray, np.ndarray]


def _neighbours(low: float, high: float, count: int, size: int) -> _Axis:
    # Of each place: the pixel before, the one behind, and the share of the latter.
    place = low + (np.arange(count) + 0.5) * (high - low) / count - 0.5
    before = np.floor(place)
    share = (place - before).astype(np.float32)
    index = before.astype(np.int64)
    return index.clip(0, size - 1), (index + 1).clip(0, size - 1), share


def _bilinear(pixels: np.ndarray, rows: _Axis, columns: _Axis) -> np.ndarray:
    left, right = columns[0].min(), columns[1].max() + 1
    near = pixels[:, left:right]
    upper = near[rows[0]].astype(np.float32)
    lines = upper + (near[rows[1]] - upper) * rows[2][:, None, None]
    first = lines[:, columns[0] - left]
    mixed = first + (lines[:, columns[1] - left] - first) * columns[2][None, :, None]
    rounded: np.ndarray = np.rint(mixed, out=mixed).astype(np.uint8)
    return rounded
