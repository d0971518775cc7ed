"""ImageNet at 16 and 32 pixels: arrays are read from its pickles, and nothing is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneshot.data.downsampled_imagenet import TEST_FILE, TRAIN_FILES
from oneshot.data.errors import InvalidData
from oneshot.data.pixels import PixelSplit
from oneshot.data.registry import load


def batch(count: int, side: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "data": rng.integers(0, 256, (count, 3 * side * side), dtype=np.uint8),
        "labels": rng.integers(1, 1001, count).tolist(),
        "mean": np.zeros(3 * side * side),
    }


def write(folder: Path, side: int) -> Path:
    folder.mkdir()
    for seed, name in enumerate((*TRAIN_FILES, TEST_FILE)):
        (folder / name).write_bytes(pickle.dumps(batch(8, side, seed), protocol=3))
    return folder


@pytest.mark.parametrize("side", [16, 32])
def test_pixels_and_labels_are_those_of_the_files(tmp_path: Path, side: int) -> None:
    folder = write(tmp_path / "small", side)
    data = load(f"imagenet{side}:{folder}", (3, side, side), validation=10)

    expected = batch(8, side, len(TRAIN_FILES))
    assert data.num_classes == 1000
    assert len(data.train) == 70
    # Classes are numbered from 1 there.
    assert data.test.labels.tolist() == [label - 1 for label in expected["labels"]]
    assert isinstance(data.test, PixelSplit)
    assert np.array_equal(data.test.pixels.numpy().reshape(8, -1), expected["data"])


def test_other_size_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "small", 16)
    with pytest.raises(InvalidData, match=r"uint8 \[n, 3072\]"):
        load(f"imagenet32:{folder}", (3, 32, 32))


def test_label_out_of_range_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "small", 16)
    content = batch(8, 16, 0) | {"labels": [0] * 8}
    (folder / TEST_FILE).write_bytes(pickle.dumps(content))
    with pytest.raises(InvalidData, match=r"outside 1 \.\.\. 1000"):
        load(f"imagenet16:{folder}", (3, 16, 16))


class Attack:
    """A pickle that would make a file when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("attacked",)


def test_pickle_with_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "small", 16)
    (folder / TRAIN_FILES[3]).write_bytes(pickle.dumps({"data": Attack(), "labels": []}))
    with pytest.raises(InvalidData, match="refused to load"):
        load(f"imagenet16:{folder}", (3, 16, 16))
    assert not (tmp_path / "attacked").exists()
