"""Data sets by name, by path, and from plug-ins; the same again from what a run wrote down."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from oneshot.data import registry
from oneshot.data.augmentation import Augmentation
from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.pixels import PixelSplit, pixel_data
from oneshot.data.registry import available, load, register_data, reload
from oneshot.data.request import DataRequest, title
from oneshot.errors import InvalidOption
from spaces.errors import UnknownName
from spaces.plugins import load_file

SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def _registered_here() -> Iterator[None]:
    with registry.DATA.preserved():
        yield


def noise(request: DataRequest) -> ImageData:
    """A data set of 200 and 40 small images."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (200, 8, 8, 3), dtype=np.uint8), np.arange(200) % 4
    return pixel_data(
        request,
        (lambda index: pixels[index], labels),
        (lambda index: pixels[:40][index], labels[:40]),
        classes=list("abcd"),
        colours=((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        augmentation=Augmentation(padding=1),
    )


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    # Plug-ins that other tests load may have added theirs.
    assert set(available()) >= {
        "bdd100k",
        "cifar10",
        "cifar100",
        "coco",
        "digits",
        "fashion-mnist",
        "image-folder",
        "imagenet16",
        "imagenet32",
        "markov",
        "masks",
        "mnist",
        "shape-masks",
        "shapes",
        "svhn",
        "text",
        "tiny-imagenet",
        "voc",
    }
    with pytest.raises(
        UnknownName,
        match=r"unknown data set 'cifar'; available: bdd100k, .*or the path of a folder",
    ):
        load("cifar", SHAPE)
    with pytest.raises(
        InvalidData,
        match="there is no such folder; a folder of images, NAME or NAME:PATH is needed",
    ):
        load(tmp_path / "none", SHAPE)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidData, match="a file; a folder of images"):
        load(tmp_path / "file", SHAPE)
    with pytest.raises(
        InvalidData, match="--data 'cifar10:/none/such': /none/such is no file or folder"
    ):
        load("cifar10:/none/such", SHAPE)
    with pytest.raises(InvalidData, match="an empty path is no file or folder"):
        load("cifar10:", SHAPE)
    with pytest.raises(InvalidOption, match="loader must be one of auto, torch, dali, not 'cv2'"):
        load("digits", SHAPE, loader="cv2")
    with pytest.raises(InvalidData, match="image-folder needs a folder: write --data PATH"):
        load("image-folder", SHAPE)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("digits", "digits"),
        ("cifar10:/data/cifar-10-python.tar.gz", "cifar10"),
        ("/home/anna/photographs", "photographs"),
        ("image-folder:/home/anna/photographs", "photographs"),
        ("/home/anna/a:b", "a"),
    ],
)
def test_a_title_tells_no_folder(name: str, told: str) -> None:
    assert title(name) == told


def test_a_plug_in_registers_a_data_set() -> None:
    register_data("noise")(noise)
    data = load("noise", SHAPE)
    assert (len(data.train), len(data.validation), len(data.test), data.num_classes) == (
        180,
        20,
        40,
        4,
    )
    assert "noise" in available()
    for name in ("digits", "a:b", "a/b", ""):
        with pytest.raises(InvalidOption, match=f"the name '{name}' cannot be given to a data set"):
            register_data(name)


def test_reload_gives_the_same_parts_or_says_that_it_cannot() -> None:
    register_data("noise")(noise)
    data = load(
        "noise", SHAPE, 3, limit=50, validation=30, preprocessing="spos", loader="torch", workers=2
    )
    record = json.loads(json.dumps(data.record()))
    assert record["images"] == {"train": 50, "validation": 30, "test": 40}
    again = reload(record, (3, 16, 16))
    assert again.record() == record
    assert isinstance(again.train, PixelSplit)
    assert isinstance(data.train, PixelSplit)
    assert torch.equal(again.train.pixels, data.train.pixels)
    assert again.train.tensors([0])[0].shape == (1, 3, 16, 16)
    with pytest.raises(InvalidData, match="the data set noise has changed since the run began"):
        reload({**record, "split_seed": 4}, SHAPE)
    # Enough for a record of which only this is known.
    assert len(reload({"name": "noise", "split_seed": 3}, SHAPE).train) == 180


def test_the_test_part_is_the_sets_own_whatever_the_seed() -> None:
    register_data("noise")(noise)
    first, second = (load("noise", SHAPE, seed) for seed in (0, 1))
    assert isinstance(first.test, PixelSplit)
    assert isinstance(second.test, PixelSplit)
    assert torch.equal(first.test.pixels, second.test.pixels)
    assert first.digest != second.digest
    assert not torch.equal(first.validation.tensors()[0], second.validation.tensors()[0])


def test_spos_preprocessing_of_pixels_in_memory() -> None:
    register_data("noise")(noise)
    data = load("noise", SHAPE, preprocessing="spos")
    assert isinstance(data.test, PixelSplit)
    images, _ = data.test.tensors()
    assert torch.equal(images, data.test.pixels.flip(1).float())
    with pytest.raises(InvalidOption, match="preprocessing must be standard or spos, not 'cv2'"):
        load("noise", SHAPE, preprocessing="cv2")
    assert data.preprocessing is not None
    assert data.preprocessing.to_dict()["colours"] == "BGR"
    assert torch.equal(data.preprocessing.pixels(images), data.test.pixels)


def test_pixels_are_resized_when_a_batch_is_made() -> None:
    register_data("noise")(noise)
    small, large = load("noise", SHAPE), load("noise", (3, 24, 24))
    assert isinstance(small.train, PixelSplit)
    assert isinstance(large.train, PixelSplit)
    assert torch.equal(small.train.pixels, large.train.pixels)
    images, _ = next(iter(large.train.epochs(16, 0, augment=True)))
    assert images.shape == (16, 3, 24, 24)
    assert images.is_contiguous(memory_format=torch.channels_last)
    expected = torch.nn.functional.interpolate(
        small.test.tensors()[0], size=(24, 24), mode="bilinear"
    )
    assert torch.allclose(large.test.tensors()[0], expected, atol=1e-4)


def test_a_folder_is_found_by_its_path(photographs: Path) -> None:
    data, same = load(photographs, SHAPE), load(f"image-folder:{photographs}", SHAPE)
    assert data.name == str(photographs)
    assert same.name == f"image-folder:{photographs}"
    assert data.digest == same.digest
    assert isinstance(data.train, FolderSplit)
    assert reload(data.record(), SHAPE).digest == data.digest


@pytest.mark.reference_data
def test_packed_cifar10_is_a_plug_in(reference_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another test may have loaded the file, and have undone what it registered.
    monkeypatch.delitem(sys.modules, "pathfit_plugin_packed_cifar", raising=False)
    with registry.DATA.preserved():
        load_file(Path(__file__).parents[3] / "benchmarks" / "packed_cifar.py")
        data = load(f"packed-cifar10:{reference_data / 'images'}", (3, 32, 32), limit=200)
    assert (len(data.train), len(data.validation), len(data.test)) == (200, 200, 200)
    assert data.classes[0] == "airplane"
    images, labels = data.train.tensors()
    assert images.mean().item() == pytest.approx(0, abs=0.15)
    assert images.std().item() == pytest.approx(1, abs=0.1)
    assert labels.bincount().tolist() == [20] * 10


@pytest.mark.reference_data
def test_packed_cifar10_on_the_command_line(reference_data: Path) -> None:
    root = Path(__file__).parents[3]
    name = f"packed-cifar10:{reference_data / 'images'}"
    command = [
        sys.executable,
        "-m",
        "oneshot",
        "--plugin",
        "benchmarks/packed_cifar.py",
        "data",
        name,
        "--limit",
        "50",
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "10 classes: airplane, automobile, bird" in done.stdout
