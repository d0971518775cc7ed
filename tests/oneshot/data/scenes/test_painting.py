"""Pictures of boxes and masks, and the command that shows a set of scenes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from oneshot.commands.data import data as command
from oneshot.data.padded import Padded
from oneshot.data.scenes.painting import COLOURS, paint_boxes, paint_mask, paint_targets

BLACK = np.zeros((20, 20, 3), np.uint8)


def test_boxes_are_outlined_in_the_colour_of_their_class() -> None:
    painted = paint_boxes(BLACK, np.array([[4, 5, 12, 15]]), np.array([1]))
    assert painted[5, 4].tolist() == list(COLOURS[1])
    assert not painted[10, 8].any()
    assert not BLACK.any()


def test_masks_are_blended_and_ignored_pixels_stay() -> None:
    mask = np.full((20, 20), 255, np.uint8)
    mask[3, 4] = 2
    painted = paint_mask(BLACK, mask)
    assert painted[3, 4].tolist() == [round(0.5 * value) for value in COLOURS[2]]
    mask[3, 4] = 255
    assert not paint_mask(BLACK, mask).any()


def test_classes_have_no_picture() -> None:
    pixels = np.stack([BLACK, BLACK])
    assert paint_targets(pixels, torch.tensor([0, 1])) is pixels
    boxes = Padded.from_rows([torch.tensor([[1.0, 1, 5, 5, 0, 0]]), torch.empty(0, 6)])
    assert paint_targets(pixels, boxes).any(axis=(1, 2, 3)).tolist() == [True, False]


@pytest.mark.parametrize("name", ["shapes", "shape-masks"])
def test_command_shows_scenes(name: str, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    result = CliRunner().invoke(command, [name, "--limit", "9", "--plot", str(sheet)])
    assert result.exit_code == 0, result.output
    assert "disc, triangle" in result.output
    with Image.open(sheet) as image:
        assert image.width > 8 * 128
