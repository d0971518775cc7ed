"""Scenes by DALI are those by Pillow: the same targets, and pixels to within a step."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from oneshot.data.images import ImageData
from oneshot.data.padded import Padded
from oneshot.data.registry import load
from oneshot.data.scenes.views import SCENES

pytest.importorskip("nvidia.dali", reason="needs the extra dali")

SHAPE = (3, 48, 64)


def smooth(width: int, height: int, seed: int) -> Image.Image:
    """A picture without fine detail, of which JPEG files lose little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(params=["masks", "voc"])
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Six images of different sizes and formats with masks, or with boxes, in each part."""
    for part in ("train", "val", "test"):
        for index in range(6):
            rng = np.random.default_rng([len(part), index])
            width, height = (int(side) for side in rng.integers(30, 130, 2))
            suffix = "png" if index == 5 else "jpg"
            image = smooth(width, height, index)
            if request.param == "masks":
                write_mask(tmp_path, part, f"{index}.{suffix}", image, rng)
            else:
                write_boxes(tmp_path, part, f"{part}{index}.{suffix}", image, rng)
    return f"{request.param}:{tmp_path}"


def write_mask(
    root: Path, part: str, file: str, image: Image.Image, rng: np.random.Generator
) -> None:
    for folder in ("images", "masks"):
        (root / part / folder).mkdir(parents=True, exist_ok=True)
    image.save(root / part / "images" / file, quality=95)
    mask = rng.integers(0, 3, (image.height, image.width), dtype=np.uint8)
    Image.fromarray(mask).save((root / part / "masks" / file).with_suffix(".png"))


def write_boxes(
    root: Path, part: str, file: str, image: Image.Image, rng: np.random.Generator
) -> None:
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    image.save(root / "JPEGImages" / file, quality=95)
    left, right = np.sort(rng.choice(image.width, 2, replace=False))
    top, bottom = np.sort(rng.choice(image.height, 2, replace=False))
    stem = Path(file).stem
    (root / "Annotations" / f"{stem}.xml").write_text(
        f"<annotation><size><width>{image.width}</width><height>{image.height}</height></size>"
        f"<object><name>thing</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
        f"<xmax>{right + 1}</xmax><ymax>{bottom + 1}</ymax></bndbox></object></annotation>"
    )
    with (root / "ImageSets" / "Main" / f"{part}.txt").open("a") as listed:
        listed.write(f"{stem}\n")


def both(name: str, **options: Any) -> tuple[ImageData, ImageData]:
    """The data set by torch's loader and by DALI."""
    first, second = (
        load(name, SHAPE, loader=loader, workers=1, **options) for loader in ("torch", "dali")
    )
    assert second.train.loader == "dali"  # type: ignore[attr-defined]
    return first, second


def same_targets(first: Any, second: Any) -> bool:
    second = second.to("cpu")
    if isinstance(first, Padded):
        return torch.equal(first.values, second.values) and torch.equal(
            first.lengths, second.lengths
        )
    return torch.equal(first, second)


def steps(data: ImageData, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Absolute differences in steps of 1/255 of the range from black to white."""
    assert data.preprocessing is not None
    deviation = 255 * torch.tensor(data.preprocessing.deviation)[:, None, None]
    return (first - second.cpu()).abs() * deviation


@pytest.mark.parametrize("preprocessing", ["standard", "spos"])
def test_evaluation_sees_the_same_scenes(name: str, preprocessing: str) -> None:
    by_torch, by_dali = both(name, preprocessing=preprocessing)
    for first, second in ((by_torch.validation, by_dali.validation), (by_torch.test, by_dali.test)):
        images, targets = first.tensors()
        others, other_targets = second.tensors()

        assert len(images) == 6
        assert same_targets(targets, other_targets)
        assert images.shape == others.shape
        assert others.is_contiguous(memory_format=torch.channels_last)
        assert steps(by_torch, images, others).mean((1, 2, 3)).max() < 1
    assert by_torch.digest == by_dali.digest


@pytest.mark.parametrize("mosaic", [0.0, 0.5])
def test_training_sees_the_same_scenes(name: str, mosaic: float) -> None:
    by_torch, by_dali = both(name)
    changes = replace(SCENES, mosaic=mosaic, cutout=6)
    loaders = [data.train.epochs(3, 1, augment=changes) for data in (by_torch, by_dali)]
    count = 0
    for epoch in range(4):
        for loader in loaders:
            loader.set_epoch(epoch)
        for (images, targets), (others, other_targets) in zip(*loaders, strict=True):
            assert same_targets(targets, other_targets)
            # Colours are rounded before and after they change.
            assert steps(by_torch, images, others).mean() < 1.5
            count += 1
    assert count == 8


def test_epoch_that_starts_late_is_the_same(name: str) -> None:
    _, data = both(name)
    loader = data.train.epochs(2, 3, augment=True)
    whole = list(loader)
    loader.start_at(1)
    later = list(loader)
    assert len(later) == len(whole) - 1 == 2
    for (images, targets), (others, other_targets) in zip(whole[1:], later, strict=True):
        assert torch.equal(images, others)
        assert same_targets(targets, other_targets)


@pytest.mark.reference_data
@pytest.mark.parametrize(("kind", "folder"), [("voc", "bccd"), ("masks", "camvid")])
def test_photographs_are_the_same(kind: str, folder: str, reference_data: Path) -> None:
    shape = (3, 192, 192)
    by_torch, by_dali = (
        load(f"{kind}:{reference_data / folder}", shape, loader=loader, workers=1)
        for loader in ("torch", "dali")
    )
    images, targets = by_torch.test.tensors(range(12))
    others, other_targets = by_dali.test.tensors(range(12))
    assert same_targets(targets, other_targets)
    assert steps(by_torch, images, others).mean((1, 2, 3)).max() < 1
