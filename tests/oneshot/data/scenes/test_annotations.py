"""Folders in the layouts of Pascal VOC and of COCO, with the mistakes that such sets have."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from oneshot.data import load
from oneshot.data.errors import InvalidData
from oneshot.data.images import ImageData

SHAPE = (3, 40, 40)

Row = tuple[str, int, int, int, int]
"""Class, left, top, right and bottom in pixels."""


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def voc(root: Path, part: str, name: str, rows: list[Row], difficult: int = 0) -> None:
    """Add an image to a folder in VOC's layout."""
    picture(root / "JPEGImages" / f"{name}.jpg", len(name))
    objects = "".join(
        f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox>"
        f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        "</bndbox></object>"
        for label, left, top, right, bottom in rows
    )
    annotation = root / "Annotations" / f"{name}.xml"
    annotation.parent.mkdir(exist_ok=True)
    annotation.write_text(
        f"<annotation><size><width>40</width><height>30</height></size>{objects}</annotation>",
        encoding="utf-8",
    )
    listed = root / "ImageSets" / "Main" / f"{part}.txt"
    listed.parent.mkdir(parents=True, exist_ok=True)
    with listed.open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")


CAT: Row = ("cat", 4, 5, 14, 15)
DOG: Row = ("dog", 20, 10, 38, 28)


@pytest.fixture
def voc_folder(tmp_path: Path) -> Path:
    """Three images for training, one for validation, two for tests, one of them empty."""
    root = tmp_path / "VOC"
    for index, rows in enumerate(([CAT], [DOG, CAT], [])):
        voc(root, "train", f"train{index}", rows)
    voc(root, "val", "val0", [DOG])
    voc(root, "test", "test0", [CAT, DOG])
    voc(root, "test", "test10", [])
    return root


def coco_document() -> dict[str, Any]:
    """Three images with numbers of categories as COCO's, which have gaps."""
    boxes = [(1, 17, CAT, 0), (1, 90, DOG, 1), (2, 90, DOG, 0)]
    return {
        "images": [
            {"id": number, "file_name": f"{number}.jpg", "width": 40, "height": 30}
            for number in (1, 2, 3)
        ],
        "annotations": [
            {
                "image_id": image,
                "category_id": category,
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": crowd,
            }
            for image, category, (_, left, top, right, bottom), crowd in boxes
        ],
        "categories": [{"id": 90, "name": "dog"}, {"id": 17, "name": "cat"}],
    }


@pytest.fixture
def coco_folder(tmp_path: Path) -> Path:
    """The same images for training and for tests."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for part in ("train2017", "val2017"):
        write_coco(root, part, coco_document())
        for number in (1, 2, 3):
            picture(root / part / f"{number}.jpg", number)
    return root


def write_coco(root: Path, part: str, document: object) -> None:
    path = root / "annotations" / f"instances_{part}.json"
    path.write_text(json.dumps(document), encoding="utf-8")


def read(name: str, **options: Any) -> ImageData:
    return load(name, SHAPE, workers=0, **options)


def test_voc_boxes_are_in_pixels_of_the_input(voc_folder: Path) -> None:
    data = read(f"voc:{voc_folder}")
    images, targets = data.test.tensors()

    assert data.classes == ("cat", "dog")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3, 1, 2]
    assert images.shape == (2, *SHAPE)
    # Letterboxed: five rows above and below.
    assert targets.rows()[0].tolist() == [[4, 10, 14, 20, 0, 0], [20, 15, 38, 33, 1, 0]]
    assert targets.rows()[1].shape == (0, 6)


def test_voc_folders_join(voc_folder: Path, tmp_path: Path) -> None:
    second = tmp_path / "more" / "VOC2012"
    voc(second, "train", "other", [("bird", 1, 1, 9, 9)])
    joined = read(f"voc:{voc_folder},{tmp_path / 'more'}")
    alone = read(f"voc:{voc_folder}")

    assert len(joined.train) == len(alone.train) + 1
    assert len(joined.test) == len(alone.test)
    assert joined.classes == ("bird", "cat", "dog")
    assert len(joined.train.tensors()[0]) == 4
    assert read(joined.name).digest == joined.digest != alone.digest


def test_difficult_objects_are_flagged(voc_folder: Path) -> None:
    voc(voc_folder, "test", "hard", [CAT], difficult=1)
    targets = read(f"voc:{voc_folder}").test.tensors([2])[1]
    assert targets.rows()[0][0, 4:].tolist() == [0, 1]


def test_boxes_beyond_the_image_are_cut_and_counted(
    voc_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voc(voc_folder, "test", "wide", [("cat", 30, 20, 60, 50), ("dog", 41, 5, 60, 9)])
    voc(voc_folder, "test", "flat", [("cat", 7, 5, 7, 9)])

    with caplog.at_level(logging.WARNING, "oneshot.data"):
        targets = read(f"voc:{voc_folder}").test.tensors([2, 3])[1]

    assert targets.rows()[0].tolist() == [[30, 25, 40, 35, 0, 0]]
    assert targets.rows()[1].shape == (0, 6)
    texts = [record.getMessage() for record in caplog.records]
    assert texts == [
        "voc: 1 boxes reach beyond their image and were cut, first in JPEGImages/wide.jpg",
        "voc: 2 boxes have no area in their image and were left out, first in JPEGImages/wide.jpg",
    ]


@pytest.mark.parametrize("loader", ["torch", "dali"])
@pytest.mark.parametrize("content", [b"no image", b"", "truncated"])
def test_broken_image_is_skipped_by_name(
    voc_folder: Path, loader: str, content: bytes | str
) -> None:
    if loader == "dali":
        pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    path = voc_folder / "JPEGImages" / "test0.jpg"
    whole = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    data = read(f"voc:{voc_folder}", loader=loader)
    images, targets = data.test.tensors()
    assert len(images) == len(targets) == 1
    assert list(data.test.unreadable) == ["JPEGImages/test0.jpg"]


@pytest.mark.parametrize("loader", ["torch", "dali"])
def test_image_without_objects_has_no_boxes_in_training(voc_folder: Path, loader: str) -> None:
    if loader == "dali":
        pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    data = read(f"voc:{voc_folder}", loader=loader)
    lengths = []
    for _, targets in data.train.epochs(3, 0):
        lengths += targets.lengths.tolist()
    assert sorted(lengths) == [0, 1, 2]


def remove_annotation(root: Path) -> None:
    (root / "Annotations" / "test0.xml").unlink()


def break_annotation(root: Path) -> None:
    (root / "Annotations" / "test0.xml").write_text("<annotation>", encoding="utf-8")


def break_number(root: Path) -> None:
    path = root / "Annotations" / "test0.xml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<xmin>5<", "<xmin>left<"), encoding="utf-8")


def break_size(root: Path) -> None:
    path = root / "Annotations" / "test0.xml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<width>40<", "<width>0<"), encoding="utf-8")


def remove_image(root: Path) -> None:
    (root / "JPEGImages" / "val0.jpg").unlink()


def add_class(root: Path) -> None:
    voc(root, "val", "horse", [("horse", 1, 1, 5, 5)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove_annotation, r"test0\.xml: No such file"),
        (break_annotation, r"test0\.xml is no XML file"),
        (break_number, "xmin must be a number, not 'left'"),
        (break_size, r"test0\.jpg has the size 0 x 30"),
        (remove_image, r"val\.txt names 'val0'"),
        (add_class, r"horse\.xml: an object has the unknown class 'horse'; known are cat, dog"),
    ],
)
def test_voc_mistakes_are_named(
    voc_folder: Path, change: Callable[[Path], None], message: str
) -> None:
    change(voc_folder)
    with pytest.raises(InvalidData, match=message):
        read(f"voc:{voc_folder}")


def test_folder_without_the_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="JPEGImages"):
        read(f"voc:{tmp_path}")
    with pytest.raises(InvalidData, match="is no file or folder"):
        read(f"voc:{tmp_path},{tmp_path / 'missing'}")
    with pytest.raises(InvalidData, match="write --data voc:FOLDER"):
        read("voc")


def test_coco_boxes_have_positions_of_categories(coco_folder: Path) -> None:
    data = read(f"coco:{coco_folder}", validation=1)
    targets = data.test.tensors()[1]

    assert data.classes == ("cat", "dog")
    assert (len(data.train), len(data.validation), len(data.test)) == (2, 1, 3)
    assert targets.rows()[0].tolist() == [[4, 10, 14, 20, 0, 0], [20, 15, 38, 33, 1, 2]]
    assert [len(rows) for rows in targets.rows()] == [2, 1, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"categories": [{"id": 17, "name": "cat"}]}, "unknown category 90"),
        ({"images": [{"id": 1, "file_name": "1.jpg", "width": 40, "height": 30}]}, "image 2"),
        ({"annotations": [{"image_id": 1, "category_id": 17, "bbox": [1, 2]}]}, "bbox of four"),
        ({"images": [{"id": 1}]}, "needs images"),
        (
            {
                "images": [{"id": 1, "file_name": "1.jpg", "width": 40, "height": 0}],
                "annotations": [],
            },
            "1.jpg has the size 40 x 0",
        ),
    ],
)
def test_coco_mistakes_are_named(coco_folder: Path, change: dict[str, Any], message: str) -> None:
    write_coco(coco_folder, "train2017", {**coco_document(), **change})
    with pytest.raises(InvalidData, match=message):
        read(f"coco:{coco_folder}")


def test_missing_coco_image_is_refused(coco_folder: Path) -> None:
    (coco_folder / "train2017" / "2.jpg").unlink()
    with pytest.raises(InvalidData, match=r"train2017/2\.jpg"):
        read(f"coco:{coco_folder}")


@pytest.mark.reference_data
def test_bccd_is_read(reference_data: Path) -> None:
    data = read(f"voc:{reference_data / 'bccd'}")
    images, targets = data.test.tensors(range(4))

    assert data.classes == ("Platelets", "RBC", "WBC")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [205, 87, 72]
    assert images.shape[0] == 4
    boxes = torch.cat(targets.rows())
    assert len(boxes) > 20
    assert (boxes[:, :2] < boxes[:, 2:4]).all()
