"""Folders of images and masks."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from oneshot.data import load
from oneshot.data.errors import InvalidData
from oneshot.data.scenes.views import SCENES

SHAPE = (3, 24, 32)


def write(root: Path, part: str, name: str, seed: int, classes: int = 3) -> None:
    rng = np.random.default_rng(seed)
    for folder in ("images", "masks"):
        (root / part / folder).mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    mask = rng.integers(0, classes, (30, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(root / part / "images" / f"{name}.jpg")
    Image.fromarray(mask).save(root / part / "masks" / f"{name}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight images for training, three for validation and four for tests, of three classes."""
    for part, count in (("train", 8), ("val", 3), ("test", 4)):
        for index in range(count):
            write(tmp_path, part, f"{index}", 10 * len(part) + index)
    return tmp_path


def test_own_validation_part_is_used_unless_a_size_is_requested(folder: Path) -> None:
    own = load(f"masks:{folder}", SHAPE, workers=0)
    divided = load(f"masks:{folder}", SHAPE, workers=0, validation=5)

    assert [len(part) for part in (own.train, own.validation, own.test)] == [8, 3, 4]
    assert [len(part) for part in (divided.train, divided.validation, divided.test)] == [6, 5, 4]
    assert own.num_classes == 3


def test_masks_keep_their_classes_and_the_borders_have_none(folder: Path) -> None:
    data = load(f"masks:{folder}", (3, 40, 40), workers=0)
    _, masks = data.test.tensors([0])

    expected = np.array(Image.open(folder / "test" / "masks" / "0.png"))
    assert masks.dtype == torch.uint8
    assert np.array_equal(masks[0, 5:35].numpy(), expected)
    assert (masks[0, :5] == 255).all()
    assert (masks[0, 35:] == 255).all()


def test_values_beyond_the_named_classes_are_ignored(folder: Path) -> None:
    (folder / "classes.txt").write_text("road\nsky\n", encoding="utf-8")
    data = load(f"masks:{folder}", SHAPE, workers=0)

    _, masks = data.test.tensors()

    assert data.classes == ("road", "sky")
    assert set(masks.unique().tolist()) == {0, 1, 255}


@pytest.mark.parametrize(("loader", "workers"), [("torch", 0), ("torch", 1), ("dali", 1)])
def test_broken_pairs_are_named_counted_and_skipped(
    folder: Path, loader: str, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    if loader == "dali":
        pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    Image.new("L", (7, 7)).save(folder / "test" / "masks" / "1.png")
    content = (folder / "test" / "images" / "2.jpg").read_bytes()
    (folder / "test" / "images" / "2.jpg").write_bytes(content[: len(content) // 2])
    Image.new("RGB", (40, 30)).save(folder / "test" / "masks" / "3.png")
    data = load(f"masks:{folder}", SHAPE, loader=loader, workers=workers)

    with caplog.at_level(logging.WARNING, "oneshot.data"):
        images, masks = data.test.tensors()
    data.test.tensors()

    assert len(images) == len(masks) == 1
    reasons = data.test.unreadable
    assert set(reasons) == {f"test/images/{index}.jpg" for index in (1, 2, 3)}
    assert reasons["test/images/1.jpg"] == "its mask has 7 x 7 pixels, the image 40 x 30"
    assert "grey or palette" in reasons["test/images/3.jpg"]
    assert len(caplog.records) == 3


@pytest.mark.parametrize("loader", ["torch", "dali"])
@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_training_takes_the_next_image_for_a_broken_one(
    folder: Path, loader: str, mosaic: float
) -> None:
    if loader == "dali":
        pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    (folder / "train" / "masks" / "2.png").write_bytes(b"no mask")
    data = load(f"masks:{folder}", SHAPE, loader=loader, workers=0)
    batches = list(data.train.epochs(4, 0, augment=replace(SCENES, mosaic=mosaic)))
    assert [len(images) for images, _ in batches] == [4, 4]
    # Also where it is one of the further images of a mosaic.
    assert list(data.train.unreadable) == ["train/images/2.jpg"]


def test_missing_files_are_refused_by_name(folder: Path) -> None:
    (folder / "val" / "masks" / "1.png").unlink()
    with pytest.raises(InvalidData, match=r"val/images/1\.jpg has no mask"):
        load(f"masks:{folder}", SHAPE)
    with pytest.raises(InvalidData, match="there is no folder"):
        load(f"masks:{folder / 'train'}", SHAPE)
    write(folder, "val", "1", 0)
    (folder / "classes.txt").write_text("road\nroad\n", encoding="utf-8")
    with pytest.raises(InvalidData, match=r"classes\.txt"):
        load(f"masks:{folder}", SHAPE)


@pytest.mark.reference_data
def test_camvid_is_read(reference_data: Path) -> None:
    data = load(f"masks:{reference_data / 'camvid'}", SHAPE, workers=0)
    _, masks = data.validation.tensors(range(5))

    assert [len(part) for part in (data.train, data.validation, data.test)] == [184, 101, 117]
    assert data.num_classes == 12
    assert set(masks.unique().tolist()) <= {*range(12), 255}
