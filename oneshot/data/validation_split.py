"""The parts of a data set: a stratified validation part, and a digest of all parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from oneshot.data.errors import InvalidData
from oneshot.data.request import DataRequest

FRACTION = 0.1
"""Default fraction of the training images in the validation part."""

LARGEST_SIZE = 50_000
"""Greatest default size of the validation part, the one that SPOS uses on ImageNet."""


def validation_size(count: int, requested: float | None) -> int:
    """Return the size of the validation part.

    Args:
        count: Number of training images.
        requested: Requested size, or as a float its fraction of the training images; None for a
            tenth, at most 50,000.

    Raises:
        InvalidData: The size is below one, or leaves no training images.
    """
    if requested is None:
        size = min(max(1, round(count * FRACTION)), LARGEST_SIZE)
    elif isinstance(requested, int):
        size = requested
    else:
        size = round(count * requested)

    if not 0 < size < count:
        raise InvalidData(
            f"a validation part of {size} images cannot be split from {count} training images"
        )

    return size


def stratified(labels: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split images in two; each class is represented in proportion, to within one image.

    Args:
        labels: Class of each image, int [n].
        size: Number of images in the second part.
        seed: Seed of the selection.

    Returns:
        Indices of the first and of the second part, each sorted.
    """
    rng = np.random.default_rng(seed)
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)

    # Largest remainders are rounded up first; the seed decides among equal ones.
    quotas = counts * size / len(labels)
    sizes = np.floor(quotas).astype(np.int64)
    order = np.lexsort((rng.random(len(counts)), sizes - quotas))
    sizes[order[: size - sizes.sum()]] += 1

    # The first images of each class in a random order form the second part.
    shuffled = rng.permutation(len(labels))
    shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    position = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    second = position < np.repeat(sizes, counts)
    return np.sort(shuffled[~second]), np.sort(shuffled[second])


def parts(
    request: DataRequest, train_labels: np.ndarray, test_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices of the training, validation and test part.

    The first two index the training images, the last one the test images.

    Raises:
        InvalidData: The size of the validation part is invalid.
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
    """Return at most `request.limit` of a part's indices, stratified by class.

    Raises:
        InvalidData: The limit is below 1.
    """
    limit = request.limit
    if limit is None or len(index) <= limit:
        return index
    if limit < 1:
        raise InvalidData(f"limit must be at least 1, not {limit}")
    subset: np.ndarray = index[stratified(labels[index], limit, request.split_seed)[1]]
    return subset


def digest(parts: Iterable[tuple[Iterable[bytes], np.ndarray]]) -> str:
    """Return the hexadecimal SHA-256 over each part's images and labels.

    Args:
        parts: For each part its images, as bytes of names or pixels, and its labels [n].
    """
    total = hashlib.sha256()
    for images, labels in parts:
        for image in images:
            # The length separates images, so that no two sequences have the same bytes.
            total.update(len(image).to_bytes(8, "little"))
            total.update(image)
        total.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
    return total.hexdigest()
