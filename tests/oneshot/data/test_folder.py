"""Folders of images: ImageNet's layout and that of Tiny-ImageNet."""

import shutil
from pathlib import Path

import pytest
import torch

from oneshot.data.errors import InvalidData
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.registry import load

SHAPE = (3, 32, 32)


def files(data: ImageData, part: str) -> list[str]:
    """The files of a part."""
    split = getattr(data, part)
    assert isinstance(split, FolderSplit)
    return list(split.files)


def test_validation_is_cut_from_training_and_the_test_part_is_the_sets_own(
    photographs: Path,
) -> None:
    data = load(photographs, SHAPE)
    assert (len(data.train), len(data.validation), len(data.test)) == (22, 2, 10)
    assert data.classes == ("ants", "bees")
    train, validation, test = (files(data, part) for part in ("train", "validation", "test"))
    assert len({*train, *validation}) == 24
    assert all(file.startswith("train/") for file in train + validation)
    assert all(file.startswith("val/") for file in test)
    for part in ("train", "validation", "test"):
        for file, label in zip(files(data, part), getattr(data, part).labels.tolist(), strict=True):
            assert file.split("/")[1] == data.classes[label]
    assert data.validation.labels.tolist() == [0, 1]
    assert files(load(photographs, SHAPE, 0), "validation") == validation
    assert {tuple(files(load(photographs, SHAPE, seed), "validation")) for seed in range(6)} != {
        tuple(validation)
    }
    assert load(photographs, SHAPE, 1).digest != data.digest


def test_a_test_folder_comes_before_val(photographs: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(photographs, root)
    (root / "test").mkdir()
    assert files(load(root, SHAPE), "test")[0].startswith("val/")
    shutil.copytree(root / "val", root / "test", dirs_exist_ok=True)
    assert files(load(root, SHAPE), "test")[0].startswith("test/")


def test_limit_and_size_of_the_validation_part(photographs: Path) -> None:
    data = load(photographs, SHAPE, validation=8, limit=6)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 6, 6)
    for part in (data.train, data.validation, data.test):
        assert part.labels.bincount().tolist() == [3, 3]


def test_what_is_no_data_set_is_named(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidData, match=r"there is no folder .*train; a data set has train/CLASS/\*\.jpg"
    ):
        load(tmp_path, SHAPE)
    (tmp_path / "train").mkdir()
    with pytest.raises(InvalidData, match="train holds no folders of classes"):
        load(tmp_path, SHAPE)
    (tmp_path / "train" / "ants").mkdir()
    with pytest.raises(
        InvalidData,
        match="holds no test part: searched folders of classes in test, val, validation",
    ):
        load(tmp_path, SHAPE)
    (tmp_path / "val" / "wasps").mkdir(parents=True)
    with pytest.raises(InvalidData, match=r"val holds the class 'wasps', which .*train lacks"):
        load(tmp_path, SHAPE)
    (tmp_path / "val" / "wasps").rename(tmp_path / "val" / "ants")
    with pytest.raises(InvalidData, match=r"holds no training images; files must end in \.jpg"):
        load(tmp_path, SHAPE)


@pytest.mark.parametrize("loader", ["torch", "dali"])
def test_a_folder_of_broken_images_is_given_up(tmp_path: Path, loader: str) -> None:
    if loader == "dali":
        pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    for part in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(3):
                (tmp_path / part / name / f"{index}.jpg").write_text("none")
    data = load(tmp_path, SHAPE, loader=loader, workers=0)
    with pytest.raises(InvalidData, match="100 images in a row cannot be read, from train/"):
        next(iter(data.train.epochs(2, 0)))
    images, labels = data.test.tensors()
    assert (tuple(images.shape), len(labels)) == ((0, *SHAPE), 0)


@pytest.fixture
def tiny(photographs: Path, tmp_path: Path) -> Path:
    """The photographs in Tiny-ImageNet's layout."""
    root = tmp_path / "tiny-imagenet-200"
    for name in ("ants", "bees"):
        shutil.copytree(photographs / "train" / name, root / "train" / name / "images")
        (root / "train" / name / f"{name}_boxes.txt").write_text("0 0 62 57")
        for path in (photographs / "val" / name).iterdir():
            target = root / "val" / "images" / f"{name}{path.stem}.JPEG"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    lines = [
        f"{path.name}\t{path.name[:4]}\t0\t0\t62\t57\n"
        for path in (root / "val" / "images").iterdir()
    ]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "test" / "images").mkdir(parents=True)
    return root


def test_tiny_imagenet(tiny: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(tiny, SHAPE)
    assert (len(data.train), len(data.validation), len(data.test)) == (22, 2, 10)
    assert data.classes == ("ants", "bees")
    assert files(data, "test")[0] == "val/images/ants00.JPEG"
    for first, second in zip(
        data.test.tensors(), load(photographs, SHAPE).test.tensors(), strict=True
    ):
        assert torch.equal(first, second)
    monkeypatch.setenv("PATHFIT_DATA", str(tiny.parent))
    assert load("tiny-imagenet", SHAPE).digest == data.digest
    assert load(f"tiny-imagenet:{tiny}", SHAPE).digest == data.digest


def test_annotations_that_do_not_fit_are_named(tiny: Path) -> None:
    path = tiny / "val" / "val_annotations.txt"
    whole = path.read_text()
    path.write_text(whole.replace("\tants\t", "\twasps\t", 1))
    with pytest.raises(
        InvalidData,
        match=r"val_annotations\.txt, line \d+: a file and one of the 2 classes are needed",
    ):
        load(tiny, SHAPE)
    path.write_text("".join(whole.splitlines(keepends=True)[1:]))
    with pytest.raises(InvalidData, match="does not name"):
        load(tiny, SHAPE)
