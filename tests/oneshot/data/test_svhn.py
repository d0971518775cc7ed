"""SVHN's MATLAB files: pixels and labels in their places, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from oneshot.data.errors import InvalidData
from oneshot.data.pixels import PixelSplit
from oneshot.data.registry import load

SHAPE = (3, 32, 32)


def write(path: Path, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Write a file as published; return the pixels [n, 32, 32, 3] and the digits [n]."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    digits = np.arange(count) % 10
    # The class of the digit 0 is 10 there.
    labels = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
    savemat(path, {"X": pixels.transpose(1, 2, 3, 0), "y": labels}, do_compression=True)
    return pixels, digits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "train_32x32.mat", 60, 0)
    write(tmp_path / "test_32x32.mat", 20, 1)
    return tmp_path


def test_pixels_and_digits_are_those_of_the_files(folder: Path) -> None:
    pixels, digits = write(folder / "test_32x32.mat", 20, 1)
    data = load(f"svhn:{folder}", SHAPE)

    assert data.classes == tuple("0123456789")
    assert len(data.train) + len(data.validation) == 60
    assert np.array_equal(data.test.labels.numpy(), digits)
    assert isinstance(data.test, PixelSplit)
    assert np.array_equal(data.test.pixels.numpy(), pixels.transpose(0, 3, 1, 2))


def test_digits_are_never_mirrored(folder: Path) -> None:
    assert load(f"svhn:{folder}", SHAPE).train.augmentation.flip == 0


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"X": np.zeros((32, 32, 3, 4), np.uint8)}, "it has X"),
        ({"X": np.zeros((28, 28, 3, 4), np.uint8), "y": np.ones((4, 1))}, "needs X"),
        ({"X": np.zeros((32, 32, 3, 4)), "y": np.ones((4, 1))}, "needs X"),
        ({"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((3, 1))}, "y 4 numbers"),
        ({"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.full((4, 1), 11)}, "1 to 10"),
    ],
)
def test_other_contents_are_refused(
    folder: Path, content: dict[str, np.ndarray], named: str
) -> None:
    savemat(folder / "test_32x32.mat", content)
    with pytest.raises(InvalidData, match=named):
        load(f"svhn:{folder}", SHAPE)


def test_file_of_another_kind_is_refused(folder: Path) -> None:
    (folder / "train_32x32.mat").write_bytes(b"\x80\x04K\x01." * 100)
    with pytest.raises(InvalidData, match="no MATLAB file"):
        load(f"svhn:{folder}", SHAPE)


def test_missing_test_part_is_named(folder: Path) -> None:
    (folder / "test_32x32.mat").unlink()
    with pytest.raises(InvalidData, match="test_32x32"):
        load(f"svhn:{folder}", SHAPE)
