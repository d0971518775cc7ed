"""MNIST (LeCun et al. 1998) and Fashion-MNIST (arXiv 1708.07747): IDX files, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from oneshot.data.augmentation import Augmentation
from oneshot.data.errors import InvalidData
from oneshot.data.files import locate
from oneshot.data.images import ImageData
from oneshot.data.pixels import pixel_data
from oneshot.data.request import DataRequest

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
LARGEST = 2**28
"""Greatest size in bytes of an unpacked file; the largest real one has 47 MB."""


def load_digits(request: DataRequest) -> ImageData:
    """Read MNIST: 60,000 and 10,000 grey images of 28 x 28 pixels, 10 classes."""

    # A mirrored digit is no digit.
    return _load(
        request,
        "MNIST",
        tuple("0123456789"),
        ((0.1307,), (0.3081,)),
        Augmentation(flip=0, padding=2),
    )


def load_fashion(request: DataRequest) -> ImageData:
    """Read Fashion-MNIST: 60,000 and 10,000 grey images of 28 x 28 pixels, 10 classes."""
    return _load(
        request, "Fashion-MNIST", FASHION, ((0.2860,), (0.3530,)), Augmentation(flip=0.5, padding=2)
    )


def _load(
    request: DataRequest,
    title: str,
    classes: tuple[str, ...],
    colours: tuple[tuple[float, ...], tuple[float, ...]],
    augmentation: Augmentation,
) -> ImageData:
    # Both spellings of the published files are in use, packed and unpacked.
    names = tuple(f"train-images{dash}idx3-ubyte{end}" for dash in "-." for end in (".gz", ""))
    folder = locate(request, names, f"{title} (IDX files)", own_folder=True)
    folder = folder if folder.is_dir() else folder.parent

    sources = []
    for prefix in ("train", "t10k"):
        images = _read(folder, f"{prefix}-images", 3)
        labels = _read(folder, f"{prefix}-labels", 1)
        if len(images) != len(labels):
            raise InvalidData(f"{folder}: {len(images)} {prefix} images, but {len(labels)} labels")
        if len(labels) and labels.max() >= len(classes):
            raise InvalidData(
                f"{folder}: the {prefix} label {labels.max()} is none of {len(classes)} classes"
            )

        # Greyscale images get an axis for their one channel.
        sources.append((images[..., None], labels.astype(np.int64)))

    train, test = sources
    return pixel_data(
        request,
        (lambda index: train[0][index], train[1]),
        (lambda index: test[0][index], test[1]),
        classes=classes,
        colours=colours,
        augmentation=augmentation,
    )


def _read(folder: Path, name: str, dimensions: int) -> np.ndarray:
    # Mirrors write both `-idx3-` and `.idx3-`.
    candidates = [
        folder / f"{name}{dash}idx{dimensions}-ubyte{end}" for dash in "-." for end in (".gz", "")
    ]
    for path in candidates:
        if path.is_file():
            return read_idx(path, dimensions)
    raise InvalidData(f"{folder} holds no {candidates[0].name} (nor {candidates[1].name})")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes.

    The file holds two zeros, the type (8: unsigned bytes), the number of dimensions, the sizes as
    big-endian integers, and the data.

    Args:
        path: Path of the file, gzipped if it ends in .gz.
        dimensions: Number of dimensions that the file must have.

    Raises:
        InvalidData: The file cannot be read, or has another format.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            # A bound on the unpacked size: a small gzip file may unpack to terabytes.
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidData(f"cannot read {path}: {error}") from error

    start = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < start:
        raise InvalidData(f"{path} is no IDX file of bytes in {dimensions} dimensions")

    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        raise InvalidData(
            f"{path} holds {len(content) - start} bytes, not the {math.prod(shape)} of its shape"
            f" {shape}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
