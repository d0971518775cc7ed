"""Views move boxes, masks and pixels alike."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oneshot.data.augmentation import NUMBERS, Augmentation
from oneshot.data.scenes.views import IGNORED, SCENES, View, letterbox, random_view
from oneshot.errors import InvalidOption

GREY = np.full(3, 99, np.uint8)
sides = st.integers(8, 90)


def numbers(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(NUMBERS, dtype=np.float32)


def random(width: int, height: int, seed: int, boxes: np.ndarray | None = None) -> View:
    return random_view(width, height, (48, 64), boxes, numbers(seed), SCENES)


@given(sides, sides, sides, sides)
def test_letterbox_shows_the_whole_image_unstretched(
    width: int, height: int, down: int, across: int
) -> None:
    view = letterbox(width, height, (down, across))

    assert view.crop == (0, 0, width, height)
    assert view.size[0] == across or view.size[1] == down
    scale = min(across / width, down / height)
    assert abs(view.size[0] - scale * width) <= 1
    assert abs(view.size[1] - scale * height) <= 1
    # Beside the image there is as much on both sides, to within a pixel.
    for side, size, offset in zip((across, down), view.size, view.offset, strict=True):
        assert abs(side - size - 2 * offset) <= 1


@given(st.integers(0, 10_000), sides, sides)
def test_box_of_a_painted_rectangle_is_where_its_pixels_are(
    seed: int, width: int, height: int
) -> None:
    rng = np.random.default_rng(seed)
    left, right = np.sort(rng.choice(width + 1, 2, replace=False))
    top, bottom = np.sort(rng.choice(height + 1, 2, replace=False))
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 1
    box = np.array([[left, top, right, bottom, 4, 1]], np.float32)
    view = random(width, height, seed, box)

    moved = view.boxes(box)
    painted = view.mask(mask) == 1

    if not len(moved):
        return
    assert moved[0, 4:].tolist() == [4, 1]
    rows, columns = np.nonzero(painted)
    if not len(rows):
        # A box that is smaller than a pixel of the canvas may have none.
        assert (moved[0, 2:4] - moved[0, :2]).min() <= 1
        return
    edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(np.array(edges) - moved[0, :4]).max() <= 1


@given(st.integers(0, 10_000), sides, sides)
def test_mask_and_pixels_move_alike(seed: int, width: int, height: int) -> None:
    view = random(width, height, seed)
    mask = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(np.uint8)

    beside = view.mask(mask) == IGNORED
    pixels = view.pixels(Image.new("RGB", (width, height), (200, 0, 0)), GREY)

    assert (pixels[beside] == GREY).all()
    assert (pixels[~beside] == (200, 0, 0)).all()


@given(st.integers(0, 10_000), sides, sides)
def test_boxes_return_to_the_image(seed: int, width: int, height: int) -> None:
    view = random(width, height, seed)
    left, top, right, bottom = view.crop
    inside = np.array([[left, top, right, bottom, 0, 0]], np.float32)

    back = view.in_image(view.boxes(inside)[:, :4])

    np.testing.assert_allclose(back, inside[:, :4], atol=1e-3)


def test_flip_mirrors_boxes() -> None:
    view = View((0, 0, 10, 10), (10, 10), (0, 0), (10, 10), flip=True)
    box = np.array([[1, 2, 4, 5, 0, 0]], np.float32)
    assert view.boxes(box)[0, :4].tolist() == [6, 2, 9, 5]


def test_random_views_keep_a_box_in_most_images() -> None:
    box = np.array([[10, 10, 30, 40, 0, 0]], np.float32)
    kept = [len(random(60, 50, seed, box).boxes(box)) for seed in range(200)]
    # Every crop shows the centre of a box, here the only one.
    assert sum(kept) == 200


def test_random_views_depend_on_their_numbers_alone() -> None:
    assert random(60, 50, 3) == random(60, 50, 3)
    assert len({random(60, 50, seed) for seed in range(60)}) > 20


@pytest.mark.parametrize("options", [{"zoom_out": 0.5}, {"mosaic": 1.5}, {"area": (0.0, 1.0)}])
def test_changes_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(options))):
        Augmentation(**options)
