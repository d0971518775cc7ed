"""Load CIFAR-10 from JPEG images packed in two npz files, for tests and benchmarks.

    python -m oneshot --plugin benchmarks/packed_cifar.py data packed-cifar10:FOLDER

Each file has `jpeg` (all images end to end, uint8), `offset` (n + 1), `label` and `classes`.
Without a folder they are searched for in PATHFIT_DATA, and then in `images` below
PATHFIT_REFERENCE_DATA.
"""

from __future__ import annotations

import dataclasses
import io
import os
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from oneshot.data.cifar import AUGMENTATION, COLOURS_10
from oneshot.data.errors import InvalidData
from oneshot.data.files import FOLDERS, locate
from oneshot.data.images import ImageData
from oneshot.data.pixels import Read, pixel_data
from oneshot.data.registry import register_data
from oneshot.data.request import DataRequest

TRAIN = "cifar10_train_jpeg.npz"
TEST = "cifar10_test_jpeg.npz"
SIDE = 32


@register_data("packed-cifar10")
def load(request: DataRequest) -> ImageData:
    """The data set; only the images that its parts hold are decoded."""
    reference = os.environ.get("PATHFIT_REFERENCE_DATA")
    if request.path is None and reference and not os.environ.get(FOLDERS):
        request = dataclasses.replace(request, path=Path(reference) / "images")
    folder = locate(request, (TRAIN,), "packed CIFAR-10").parent
    train, labels, classes = _read(folder / TRAIN)
    test, test_labels, _ = _read(folder / TEST)
    return pixel_data(
        request,
        (train, labels),
        (test, test_labels),
        classes=classes,
        colours=COLOURS_10,
        augmentation=AUGMENTATION,
    )


def _read(path: Path) -> tuple[Read, np.ndarray, list[str]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            packed = file["jpeg"]
            offset = file["offset"]
            labels = file["label"].astype(np.int64)
            classes = [str(name) for name in file["classes"]]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidData(f"cannot read {path}: {error}") from error

    def read(indices: np.ndarray) -> np.ndarray:
        pixels = np.empty((len(indices), SIDE, SIDE, 3), np.uint8)
        for row, index in enumerate(indices.tolist()):
            with Image.open(
                io.BytesIO(packed[offset[index] : offset[index + 1]].tobytes())
            ) as image:
                pixels[row] = image.convert("RGB")
        return pixels

    return read, labels, classes
