"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from the python archives of their homepage."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from spaces.formats.restricted_pickle import loads_plain

HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
COLOURS_10 = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
COLOURS_100 = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
AUGMENTATION = Augmentation(flip=0.5, padding=4)
LARGEST = 2**28
"""Greatest size in bytes of a file in an archive; the largest real one has 155 MB."""


def load_10(request: DataRequest) -> ImageData:
    """Read CIFAR-10: 50,000 and 10,000 images of 32 x 32 pixels, 10 classes."""
    path = locate(
        request,
        ("cifar-10-batches-py", "cifar-10-python.tar.gz"),
        f"CIFAR-10 (python version of {HOME})",
    )

    with _reader(path, "cifar-10-batches-py") as read:
        batches = [_images(read, f"data_batch_{index}", b"labels") for index in range(1, 6)]
        train = _concatenate(batches)
        test = _images(read, "test_batch", b"labels")
        names = _field(read, "batches.meta", b"label_names")

    return _data(request, train, test, names, COLOURS_10)


def load_100(request: DataRequest) -> ImageData:
    """Read CIFAR-100: 50,000 and 10,000 images of 32 x 32 pixels, 100 (fine) classes."""
    path = locate(
        request,
        ("cifar-100-python", "cifar-100-python.tar.gz"),
        f"CIFAR-100 (python version of {HOME})",
    )

    with _reader(path, "cifar-100-python") as read:
        train = _images(read, "train", b"fine_labels")
        test = _images(read, "test", b"fine_labels")
        names = _field(read, "meta", b"fine_label_names")

    return _data(request, train, test, names, COLOURS_100)


_Read = Callable[[str], tuple[dict[bytes, Any], str]]
_Images = tuple[np.ndarray, np.ndarray]


def _data(
    request: DataRequest,
    train: _Images,
    test: _Images,
    names: Any,
    colours: tuple[tuple[float, ...], ...],
) -> ImageData:
    # Files that Python 2 pickled have the names as bytes.
    classes = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names
    ]
    for _, labels in (train, test):
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise InvalidData(f"{request.name}: a label lies outside [0, {len(classes)})")

    return pixel_data(
        request,
        (lambda index: train[0][index], train[1]),
        (lambda index: test[0][index], test[1]),
        classes=classes,
        colours=(colours[0], colours[1]),
        augmentation=AUGMENTATION,
    )


@contextmanager
def _reader(path: Path, folder: str) -> Iterator[_Read]:
    """Read files of the data set's folder, on disk or in an archive, without unpacking it."""
    if path.is_dir():
        yield lambda name: _read_from_folder(path / name)
        return

    try:
        with tarfile.open(path) as archive:
            # A member's size is checked before its bytes are read: archives come from strangers.
            contents = {
                member.name.removeprefix("./"): content.read()
                for member in archive
                if member.isfile()
                and 0 <= member.size <= LARGEST
                and (content := archive.extractfile(member))
            }
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InvalidData(f"{path} is no complete archive of {folder}: {error}") from error

    def read(name: str) -> tuple[dict[bytes, Any], str]:
        if f"{folder}/{name}" not in contents:
            raise InvalidData(f"{path} holds no {folder}/{name}")
        return _dictionary(contents[f"{folder}/{name}"], f"{path}: {folder}/{name}")

    yield read


def _read_from_folder(path: Path) -> tuple[dict[bytes, Any], str]:
    try:
        return _dictionary(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidData(f"cannot read {path}: {error.strerror}") from error


def _dictionary(content: bytes, name: str) -> tuple[dict[bytes, Any], str]:
    try:
        value = loads_plain(content, name, ARRAYS, encoding="bytes")
    except InvalidFile as error:
        raise InvalidData(str(error)) from error

    if not isinstance(value, dict):
        raise InvalidData(f"{name}: a dictionary is needed, not {type(value).__name__}")

    # Archives rewritten by Python 3 have text for keys.
    fields = {key.encode() if isinstance(key, str) else key: field for key, field in value.items()}
    return fields, name


def _field(read: _Read, file: str, key: bytes) -> Any:
    value, name = read(file)
    if key not in value:
        raise InvalidData(f"{name} lacks the field {key.decode()}")
    return value[key]


def _images(read: _Read, file: str, label: bytes) -> _Images:
    value, name = read(file)
    pixels = np.asarray(value.get(b"data"))
    labels = np.asarray(value.get(label))
    if (
        pixels.ndim != 2
        or pixels.shape[1] != 3072
        or pixels.dtype != np.uint8
        or labels.shape != (len(pixels),)
    ):
        raise InvalidData(f"{name}: data must be uint8 [n, 3072] and {label.decode()} n numbers")

    # Stored as [n, channel, row, column].
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, labels.astype(np.int64)


def _concatenate(batches: list[_Images]) -> _Images:
    pixels = np.concatenate([pixels for pixels, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    return pixels, labels
