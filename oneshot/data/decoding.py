"""Image files: what their headers say, and their pixels."""

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
"""What Pillow raises for files that are broken."""


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is decoded.

    Args:
        width: in pixels, upright.
        height: in pixels, upright.
        plain: whether it is a whole JPEG file in colour or grey that stands upright, which every
            decoder reads alike.
    """

    width: int
    height: int
    plain: bool


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UnreadableImage: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error


def header(content: bytes) -> Header:
    """The header of an image file.

    Raises:
        UnreadableImage: no image, or a JPEG file that ends too early.
    """
    with _opened(content) as image:
        orientation = image.getexif().get(ORIENTATION, 1)
        width, height = image.size if orientation not in (5, 6, 7, 8) else image.size[::-1]
        jpeg = image.format == "JPEG"
        if jpeg and content.rfind(b"\xff\xd9") <= content.rfind(
            b"\xff\xda"
        ):  # no end behind the last scan's start
            raise UnreadableImage("the file is truncated")
        return Header(width, height, jpeg and image.mode in ("RGB", "L") and orientation in (0, 1))


def decoded(content: bytes, shrink: float = 1.0) -> tuple[Image.Image, float]:
    """The pixels of an image file, upright, in RGB; an alpha channel is dropped.

    Args:
        content: of the file.
        shrink: how many times smaller the image may be given: JPEG files are decoded faster at 1/2,
            1/4 and 1/8.

    Returns:
        The image, and how many times smaller it is.

    Raises:
        UnreadableImage: the image is broken.
    """
    with _opened(content) as image:
        width = image.width
        upright = image.getexif().get(ORIENTATION, 1) in (0, 1)
        factor = 1
        if upright and shrink >= 2 and image.format == "JPEG":
            factor = 2 ** min(int(np.log2(shrink)), 3)
            image.draft(None, (max(width // factor, 1), max(image.height // factor, 1)))
            factor = factor if image.width < width else 1
        if image.mode.startswith("I;16"):
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB"), 1.0
        turned = image if upright else ImageOps.exif_transpose(image)
        return turned.convert("RGB"), float(factor)


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            # Advice on metadata and on large images; what cannot be decoded raises.
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


def measured(path: Path) -> tuple[int, int] | str:
    """Width and height of an image that was decoded, or why it cannot be."""
    try:
        content = read_file(path)
        header(content)
        return decoded(content)[0].size
    except UnreadableImage as error:
        return str(error)
