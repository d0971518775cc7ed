"""Image files: their headers and their pixels."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from oneshot.data.errors import UnreadableImage

# EXIF's tag of an image's orientation.
ORIENTATION = 0x0112
_FAULTS = (
    *(
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        IndexError,
        KeyError,
        TypeError,
        OverflowError,
    ),
    *(MemoryError, ZeroDivisionError, Image.DecompressionBombError),
)
"""Exceptions that Pillow raises for broken files."""


@dataclass(frozen=True)
class Header:
    """Properties of an image that are known before it is decoded.

    Args:
        width: Width in pixels, after the EXIF rotation.
        height: Height in pixels, after the EXIF rotation.
        plain: Whether it is a complete, upright JPEG file in RGB or grey, which all decoders read
            in the same way.
    """

    width: int
    height: int
    plain: bool


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        UnreadableImage: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error


def header(content: bytes) -> Header:
    """Return the header of an image file.

    Raises:
        UnreadableImage: The content is no image, or a JPEG file that ends too early.
    """
    with _opened(content) as image:
        orientation = image.getexif().get(ORIENTATION, 1)

        # Orientations from 5 on swap rows and columns.
        width, height = image.size if orientation not in (5, 6, 7, 8) else image.size[::-1]

        # A complete JPEG file has an end marker after the start of its last scan.
        jpeg = image.format == "JPEG"
        if jpeg and content.rfind(b"\xff\xd9") <= content.rfind(b"\xff\xda"):
            raise UnreadableImage("the file is truncated")
        return Header(width, height, jpeg and image.mode in ("RGB", "L") and orientation in (0, 1))


def decode(content: bytes, shrink: float = 1.0) -> tuple[Image.Image, float]:
    """Decode an image file, upright and in RGB; an alpha channel is dropped.

    Args:
        content: Bytes of the file.
        shrink: Greatest factor by which the image may be smaller than the file's: JPEG files are
            decoded faster at 1/2, 1/4 and 1/8.

    Returns:
        The image, and the factor by which it is smaller.

    Raises:
        UnreadableImage: The image is broken.
    """
    with _opened(content) as image:
        width = image.width
        upright = image.getexif().get(ORIENTATION, 1) in (0, 1)
        factor = 1
        if upright and shrink >= 2 and image.format == "JPEG":
            factor = 2 ** min(int(np.log2(shrink)), 3)
            image.draft(None, (max(width // factor, 1), max(image.height // factor, 1)))
            factor = factor if image.width < width else 1

        # Pillow would clip 16 bits to 8 rather than scale them.
        if image.mode.startswith("I;16"):
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB"), 1.0

        rotated = image if upright else ImageOps.exif_transpose(image)
        return rotated.convert("RGB"), float(factor)


def read_mask(path: Path) -> np.ndarray:
    """Return the value of each pixel of a grey or palette image, uint8 [height, width].

    Raises:
        UnreadableImage: The file cannot be read, or has colours in place of one value per pixel.
    """
    with _opened(read_file(path)) as image:
        if image.mode not in ("L", "P", "1"):
            raise UnreadableImage(f"a mask is a grey or palette image, not {image.mode}")
        return np.array(image, np.uint8)


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            # Warnings concern metadata and large images; images that cannot be decoded raise.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                yield image
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            "no image file that Pillow knows" if content else "the file is empty"
        ) from error
    except _FAULTS as error:
        raise UnreadableImage(str(error) or type(error).__name__) from error


def measure_size(path: Path) -> tuple[int, int] | str:
    """Decode an image; return its width and height, or the reason why it cannot be decoded."""
    try:
        content = read_file(path)
        header(content)
        return decode(content)[0].size
    except UnreadableImage as error:
        return str(error)
