"""MNIST's and Fashion-MNIST's IDX files."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from oneshot.data.errors import InvalidData
from oneshot.data.idx import read_idx
from oneshot.data.pixels import PixelSplit
from oneshot.data.registry import load


def idx(array: np.ndarray) -> bytes:
    """An array of bytes as an IDX file."""
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write(root: Path, *, packed: bool, dash: str = "-") -> dict[str, np.ndarray]:
    """A small MNIST in a folder."""
    rng = np.random.default_rng(0)
    arrays = {}
    root.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 60), ("t10k", 20)):
        arrays[f"{part}-images{dash}idx3-ubyte"] = rng.integers(
            0, 256, (count, 28, 28), dtype=np.uint8
        )
        arrays[f"{part}-labels{dash}idx1-ubyte"] = (np.arange(count) % 10).astype(np.uint8)
    for name, array in arrays.items():
        path = root / (name + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return arrays


@pytest.mark.parametrize(("packed", "dash"), [(True, "-"), (False, "-"), (False, ".")])
def test_files_are_read(tmp_path: Path, packed: bool, dash: str) -> None:
    arrays = write(tmp_path, packed=packed, dash=dash)
    data = load(f"mnist:{tmp_path}", (3, 32, 32))
    assert (len(data.train), len(data.validation), len(data.test), data.num_classes) == (
        54,
        6,
        20,
        10,
    )
    assert isinstance(data.test, PixelSplit)
    assert torch.equal(
        data.test.pixels[:, 0], torch.from_numpy(arrays[f"t10k-images{dash}idx3-ubyte"])
    )
    images, labels = data.test.tensors()
    assert images.shape == (20, 3, 32, 32)
    assert torch.equal(images[:, 0], images[:, 2])
    assert labels.tolist() == [index % 10 for index in range(20)]
    grey = load(f"mnist:{tmp_path}", (1, 28, 28)).test.tensors([0])[0]
    first = arrays[f"t10k-images{dash}idx3-ubyte"][0]
    assert torch.allclose(
        grey[0, 0], (torch.from_numpy(first).float() / 255 - 0.1307) / 0.3081, atol=1e-5
    )


def test_clothes_may_be_mirrored_and_digits_not(tmp_path: Path) -> None:
    write(tmp_path, packed=True)
    assert load(f"fashion-mnist:{tmp_path}", (3, 28, 28)).train.augmentation.flip == 0.5
    assert load(f"mnist:{tmp_path}", (3, 28, 28)).train.augmentation.flip == 0


def test_each_has_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATHFIT_DATA", str(tmp_path))
    write(tmp_path / "fashion-mnist", packed=True)
    assert load("fashion-mnist", (3, 28, 28)).classes[0] == "T-shirt/top"
    with pytest.raises(InvalidData, match="MNIST"):
        load("mnist", (3, 28, 28))
    # Their files bear the same names: those beside the folders belong to neither.
    write(tmp_path, packed=True)
    with pytest.raises(InvalidData, match=f"looked for .* in {tmp_path}/mnist"):
        load("mnist", (3, 28, 28))


def test_broken_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, packed=False)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    labels.write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(InvalidData, match="20 t10k images, but 19 labels"):
        load(f"mnist:{tmp_path}", (3, 28, 28))
    labels.write_bytes(idx(np.full(20, 10, np.uint8)))
    with pytest.raises(InvalidData, match="the t10k label 10 is none of 10 classes"):
        load(f"mnist:{tmp_path}", (3, 28, 28))
    labels.unlink()
    with pytest.raises(
        InvalidData, match=r"holds no t10k-labels-idx1-ubyte\.gz \(nor t10k-labels-idx1-ubyte\)"
    ):
        load(f"mnist:{tmp_path}", (3, 28, 28))
    for content, message in (
        (b"", "no IDX file of bytes in 1 dimensions"),
        (idx(np.zeros((2, 2), np.uint8)), "no IDX file of bytes in 1 dimensions"),
        (idx(np.zeros(5, np.uint8))[:-1], r"holds 4 bytes, not the 5 of its shape \(5,\)"),
    ):
        labels.write_bytes(content)
        with pytest.raises(InvalidData, match=message):
            read_idx(labels, 1)
    packed = tmp_path / "labels.gz"
    packed.write_bytes(gzip.compress(idx(np.zeros(500, np.uint8)))[:-9])
    with pytest.raises(InvalidData, match=r"cannot read .*labels\.gz"):
        read_idx(packed, 1)
