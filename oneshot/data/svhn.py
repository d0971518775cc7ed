"""Street View House Numbers (Netzer et al. 2011): MATLAB files of 32 x 32 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oneshot.data.augmentation import Augmentation
from oneshot.data.errors import InvalidData
from oneshot.data.files import locate
from oneshot.data.images import ImageData
from oneshot.data.pixels import pixel_data
from oneshot.data.request import DataRequest

HOME = "http://ufldl.stanford.edu/housenumbers"
SIDE = 32
COLOURS = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))

# A mirrored digit is no digit.
AUGMENTATION = Augmentation(flip=0, padding=4)

LARGEST = 2**20
"""Greatest number of images in a file; the largest real one, `extra`, has 531,131."""


def load(request: DataRequest) -> ImageData:
    """Read SVHN's cropped digits: 73,257 and 26,032 images, 10 classes; `extra` is not read.

    Raises:
        InvalidData: A file is missing, or is no file of SVHN.
    """
    train_path = locate(request, ("train_32x32.mat",), f"SVHN (format 2 of {HOME})")
    if train_path.is_dir() or train_path.name != "train_32x32.mat":
        raise InvalidData(
            f"--data {request.name!r}: the folder with train_32x32.mat and test_32x32.mat is needed"
        )

    train = _read(train_path)
    test = _read(train_path.with_name("test_32x32.mat"))
    return pixel_data(
        request,
        (lambda index: train[0][index], train[1]),
        (lambda index: test[0][index], test[1]),
        classes=tuple("0123456789"),
        colours=COLOURS,
        augmentation=AUGMENTATION,
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels [n, 32, 32, 3] and the labels [n] of a file."""
    from scipy.io import loadmat, whosmat

    try:
        # Shapes first: a small compressed file may unpack to any size.
        shapes = {name: (shape, kind) for name, shape, kind in whosmat(str(path))}
        count = _count(path, shapes)
        content = loadmat(str(path), variable_names=["X", "y"])
    except InvalidData:
        raise
    except OSError as error:
        raise InvalidData(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:
        # The reader raises errors of many kinds for bytes that are no MATLAB file.
        raise InvalidData(f"{path} is no MATLAB file of SVHN: {error}") from error

    pixels = np.asarray(content["X"])
    labels = np.asarray(content["y"]).reshape(-1)
    if pixels.dtype != np.uint8 or labels.shape != (count,) or set(labels.tolist()) - {*range(11)}:
        raise InvalidData(f"{path}: X must be uint8, and y {count} numbers from 1 to 10")

    # Stored as [row, column, channel, n], with the class 10 for the digit 0.
    return pixels.transpose(3, 0, 1, 2), labels.astype(np.int64) % 10


def _count(path: Path, shapes: dict[str, tuple[tuple[int, ...], str]]) -> int:
    """Return the number of images by the shapes of a file's arrays."""
    shape, kind = shapes.get("X", ((), ""))
    if "y" not in shapes or shape[:3] != (SIDE, SIDE, 3) or len(shape) != 4 or kind != "uint8":
        raise InvalidData(
            f"{path} needs X, uint8 [{SIDE}, {SIDE}, 3, n], and y; it has"
            f" {', '.join(f'{name} {shape}' for name, (shape, _) in shapes.items()) or 'nothing'}"
        )
    if shape[3] > LARGEST:
        raise InvalidData(f"{path} has {shape[3]} images, more than {LARGEST}")
    return int(shape[3])
