"""ImageNet at 16 and 32 pixels (Chrabaszcz et al. 2017, arXiv 1707.08819): pickles of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from oneshot.data.augmentation import Augmentation
from oneshot.data.errors import InvalidData
from oneshot.data.files import locate
from oneshot.data.images import ImageData
from oneshot.data.pixels import pixel_data
from oneshot.data.request import DataRequest
from spaces.errors import InvalidFile
from spaces.formats.array_pickle import ARRAYS
from spaces.formats.restricted_pickle import load_plain

HOME = "https://image-net.org/download-images.php"
CLASSES = 1000
TRAIN_FILES = tuple(f"train_data_batch_{index}" for index in range(1, 11))
TEST_FILE = "val_data"

COLOURS = ((0.4811, 0.4574, 0.4078), (0.2604, 0.2532, 0.2682))


def load_16(request: DataRequest) -> ImageData:
    """Read ImageNet at 16 x 16 pixels: 1,281,167 and 50,000 images, 1000 classes."""
    return _load(request, 16)


def load_32(request: DataRequest) -> ImageData:
    """Read ImageNet at 32 x 32 pixels: 1,281,167 and 50,000 images, 1000 classes."""
    return _load(request, 32)


def _load(request: DataRequest, side: int) -> ImageData:
    title = f"ImageNet at {side} pixels ({HOME}, unpacked)"
    # The files of both sizes have the same names.
    first = locate(request, TRAIN_FILES[:1], title, own_folder=True)
    if first.is_dir() or first.name != TRAIN_FILES[0]:
        raise InvalidData(f"--data {request.name!r}: the folder with {TRAIN_FILES[0]} is needed")

    batches = [_read(first.with_name(name), side) for name in TRAIN_FILES]
    pixels = np.concatenate([pixels for pixels, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    # Freed here: the largest set has gigabytes.
    del batches

    test_pixels, test_labels = _read(first.with_name(TEST_FILE), side)
    return pixel_data(
        request,
        (lambda index: pixels[index], labels),
        (lambda index: test_pixels[index], test_labels),
        classes=[str(number) for number in range(1, CLASSES + 1)],
        colours=COLOURS,
        augmentation=Augmentation(flip=0.5, padding=side // 8),
    )


def _read(path: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels [n, side, side, 3] and the labels [n] of a file."""
    try:
        # Arrays and plain values alone: a pickle could otherwise run any code.
        content: Any = load_plain(path, ARRAYS)
    except InvalidFile as error:
        raise InvalidData(str(error)) from error

    fields = content if isinstance(content, dict) else {}
    pixels = np.asarray(fields.get("data"))
    labels = np.asarray(fields.get("labels"))
    width = 3 * side * side
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != width:
        raise InvalidData(f"{path}: data must be uint8 [n, {width}] for images of {side} pixels")
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu":
        raise InvalidData(f"{path}: labels must be {len(pixels)} numbers")
    if len(labels) and not 1 <= labels.min() <= labels.max() <= CLASSES:
        raise InvalidData(f"{path}: a label lies outside 1 ... {CLASSES}")

    images = pixels.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)
    return images, labels.astype(np.int64) - 1
