"""The parts of a data set: what is cut from the training images, and a digest of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from oneshot.data.errors import InvalidData
from oneshot.data.request import DataRequest

SHARE, MOST = 0.1, 50_000
"""The validation part: so much of the training images, at most so many (SPOS holds out 50,000 of
ImageNet's).
"""


def validation_size(count: int, asked: int | None) -> int:
    """How many of `count` training images are cut off.

    Raises:
        InvalidData: fewer than one, or all of them.
    """
    size = min(max(1, round(count * SHARE)), MOST) if asked is None else asked
    if not 0 < size < count:
        raise InvalidData(
            f"a validation part of {size} images cannot be cut from {count} training images"
        )
    return size


def stratified(labels: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of what stays and of what is cut off, each sorted; each class in proportion, to
    within one image.

    Args:
        labels: int [n].
        size: how many are cut off.
        seed: chooses them.
    """
    rng = np.random.default_rng(seed)
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shares = counts * size / len(labels)
    taken = np.floor(shares).astype(np.int64)
    # Largest remainders first; among equal ones the seed decides.
    order = np.lexsort((rng.random(len(counts)), taken - shares))
    taken[order[: size - taken.sum()]] += 1
    shuffled = rng.permutation(len(labels))
    shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    cut = place < np.repeat(taken, counts)
    return np.sort(shuffled[~cut]), np.sort(shuffled[cut])


def parts(
    request: DataRequest, train_labels: np.ndarray, test_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the training, validation (both into the training images) and test part.

    Raises:
        InvalidData: the validation part does not fit.
    """
    size = validation_size(len(train_labels), request.validation)
    train, validation = stratified(train_labels, size, request.split_seed)
    test = np.arange(len(test_labels))
    return (
        limited(train, train_labels, request),
        limited(validation, train_labels, request),
        limited(test, test_labels, request),
    )


def limited(index: np.ndarray, labels: np.ndarray, request: DataRequest) -> np.ndarray:
    """At most `request.limit` of a part's indices, in proportion to the classes.

    Raises:
        InvalidData: a limit below 1.
    """
    limit = request.limit
    if limit is None or len(index) <= limit:
        return index
    if limit < 1:
        raise InvalidData(f"limit must be at least 1, not {limit}")
    chosen: np.ndarray = index[stratified(labels[index], limit, request.split_seed)[1]]
    return chosen


def digest(parts: Iterable[tuple[Iterable[bytes], np.ndarray]]) -> str:
    """SHA-256, in hexadecimal, over each part's images (names or pixels, each as bytes) and
    labels.
    """
    total = hashlib.sha256()
    for images, labels in parts:
        for image in images:
            total.update(len(image).to_bytes(8, "little"))
            total.update(image)
        total.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
    return total.hexdigest()
