"""The picture of what a network finds in test images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import spaces
from oneshot.data.images import ImageData
from oneshot.data.padded import Padded
from oneshot.data.registry import load
from oneshot.data.scenes.painting import COLOURS, paint_targets
from oneshot.data.sheet import GAP, LINE, draw_sheet, pixels_of
from oneshot.retraining.result_sheet import CELL, result_sheet
from oneshot.tasks.detection.task import PICTURED
from oneshot.tasks.registry import make_task
from tests.oneshot.commands.running import done, run

SIDE = 32
SMALL = (
    f"channels=(8, 16, 32), head_channels=16, repeats=(1, 1, 1), stem_channels=4, input_size={SIDE}"
)


class Memory(nn.Module):
    """A network that knows the targets of the images that it is asked for."""

    def __init__(self, data: ImageData, answers: Any):
        super().__init__()
        self.images, _ = data.test.tensors()
        self.answers = answers

    def forward(self, images: Tensor) -> Any:
        (index,) = [i for i, image in enumerate(self.images) if torch.equal(image, images[0])]
        return self.answers(index)


def cell(sheet: Image.Image, column: int, row: int) -> np.ndarray:
    """The pixels of one image of a sheet."""
    left = GAP + column * (CELL + GAP)
    top = LINE + GAP + row * (CELL + GAP + LINE)
    return np.asarray(sheet.crop((left, top, left + CELL, top + CELL)))


def test_perfect_segmenter_is_shown_as_labelled(tmp_path: Path) -> None:
    data = load("shape-masks", (3, SIDE, SIDE), limit=6)
    _, masks = data.test.tensors()
    one_hot = nn.functional.one_hot(masks.long(), data.num_classes).movedim(-1, 1).float()
    path = tmp_path / "found.png"

    perfect = Memory(data, lambda index: one_hot[index : index + 1])
    result_sheet(perfect, data, make_task("segmentation"), path)
    wrong = Memory(data, lambda index: one_hot[index : index + 1].roll(1, 1))
    result_sheet(wrong, data, make_task("segmentation"), tmp_path / "wrong.png")

    with Image.open(path) as sheet, Image.open(tmp_path / "wrong.png") as other:
        assert sheet.width == 4 * (CELL + GAP) + GAP
        for column in range(4):
            assert np.array_equal(cell(sheet, column, 0), cell(sheet, column, 1))
            assert np.array_equal(cell(sheet, column, 0), cell(other, column, 0))
            assert not np.array_equal(cell(other, column, 0), cell(other, column, 1))


def test_detections_below_the_threshold_are_left_out() -> None:
    space = spaces.get(f"spos-tiny({SMALL}, head=ssdlite(channels=(16,)))")
    task = make_task("detection", space)
    scores = torch.tensor([[PICTURED + 0.01, PICTURED - 0.01, 0.0]])
    boxes = torch.tensor([[[2.0, 2, 9, 9], [4, 4, 20, 20], [0, 0, 0, 0]]])
    outputs = {"boxes": boxes, "scores": scores, "labels": torch.tensor([[2, 1, -1]])}

    found = task.found_targets(outputs, Padded.from_rows([torch.empty(0, 6)]))

    assert found.rows()[0].tolist() == [[2, 2, 9, 9, 2, 0]]
    black = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    assert paint_targets(black, found)[0, 2, 2].tolist() == list(COLOURS[2])


def test_legend_names_every_class_within_the_sheet() -> None:
    names = [f"a class with a long name {number}" for number in range(20)]
    column = np.zeros((1, 8, 8, 3), np.uint8)

    sheet = draw_sheet([column, column], ["one", "two"], ["row"], 64, names)
    plain = draw_sheet([column, column], ["one", "two"], ["row"], 64)

    assert sheet.width == plain.width
    pixels = np.asarray(sheet)[plain.height :].reshape(-1, 3)
    shown = set(map(tuple, pixels.tolist()))
    assert set(COLOURS) <= shown


def test_pixels_are_those_of_the_images() -> None:
    data = load("shapes", (3, SIDE, SIDE), limit=4)
    images, _ = data.test.tensors([0])
    expected = np.asarray(data.test.scenes[0].image)  # type: ignore[attr-defined]
    assert np.array_equal(pixels_of(data, images)[0], expected)


def test_commands_write_the_picture(tmp_path: Path) -> None:
    space = spaces.get(f"spos-tiny({SMALL}, head=ssdlite(channels=(16,)))")
    arch = tmp_path / "arch.json"
    arch.write_text(space.architecture([0] * len(space.choices)).to_json())
    folder = tmp_path / "run"
    quick = ("--epochs", 1, "--batch-size", 8, "--limit", 16, "--threads", 1, "--no-tensorboard")
    done(
        *("retrain", "--arch", arch, "--data", "shapes", "--task", "detection"),
        *(*quick, "--norm-batches", 1, "-o", folder),
    )
    picture = tmp_path / "found.png"

    output = done("test", folder, "--picture", picture)

    assert output.endswith(f"wrote {picture}\n")
    assert picture.read_bytes() == (folder / "test.png").read_bytes()


def test_tasks_without_pictures_refuse_one(tmp_path: Path) -> None:
    arch = tmp_path / "arch.json"
    space = spaces.get(f"spos-tiny({SMALL})")
    arch.write_text(space.architecture([0] * len(space.choices)).to_json())
    quick = ("--steps", 1, "--batch-size", 8, "--limit", 16, "--threads", 1, "--no-tensorboard")
    done("retrain", "--arch", arch, "--data", "digits", *quick, "-o", tmp_path / "run")

    result = run("test", tmp_path / "run", "--picture", tmp_path / "found.png")

    assert result.exit_code == 2
    assert "picture: results of the task classification have none" in result.stderr
    assert not (tmp_path / "run" / "test.png").exists()
    with pytest.raises(NotImplementedError):
        make_task("classification").found_targets(None, None)
