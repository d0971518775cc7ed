"""Locations and anchors of detectors."""

import math

import numpy as np
import pytest

from spaces.heads import BoxGeometry, Level
from spaces.heads.geometry import ssd_anchors

TWO_LEVELS = BoxGeometry(
    (24, 40),
    (Level(8, 3, 5, ((4.0, 6.0), (8.0, 2.0))), Level(16, 2, 3, ((10.0, 12.0), (16.0, 8.0)))),
    background=True,
)


def test_locations_are_in_the_order_of_levels_cells_and_anchors() -> None:
    boxes = []
    for level in TWO_LEVELS.levels:
        for row in range(level.height):
            for column in range(level.width):
                x = (column + 0.5) * 40 / level.width
                y = (row + 0.5) * 24 / level.height
                for width, height in level.anchors:
                    boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])

    assert TWO_LEVELS.num_locations == len(boxes) == 2 * (15 + 6)
    assert TWO_LEVELS.anchors() == pytest.approx(np.array(boxes))
    centres = (TWO_LEVELS.anchors()[:, :2] + TWO_LEVELS.anchors()[:, 2:]) / 2
    assert TWO_LEVELS.centres() == pytest.approx(centres)
    assert TWO_LEVELS.strides().tolist() == [8.0] * 30 + [16.0] * 12
    assert TWO_LEVELS.level_of_location().tolist() == [0] * 30 + [1] * 12


def test_cell_without_anchors_is_one_location() -> None:
    geometry = BoxGeometry((16, 16), (Level(8, 2, 2),), background=False)

    assert geometry.num_locations == 4
    assert geometry.centres().tolist() == [[4, 4], [12, 4], [4, 12], [12, 12]]
    assert not geometry.has_anchors
    with pytest.raises(ValueError, match="no anchors; use centres"):
        geometry.anchors()


def test_anchors_have_the_scales_and_ratios_of_ssd() -> None:
    levels = ssd_anchors((300, 300), 6, (2.0, 3.0), (0.15, 1.05))

    assert [len(level) for level in levels] == [6] * 6
    # Seven scales at equal distances, .15, .30, ..., 1.05.
    squares = [level[0] for level in levels]
    assert squares == pytest.approx(np.array([(45.0 * k, 45.0 * k) for k in range(1, 7)]))
    for index, level in enumerate(levels):
        geometric_mean = 45 * math.sqrt((index + 1) * (index + 2))
        assert level[1] == pytest.approx((geometric_mean, geometric_mean))
        areas = [width * height for width, height in level[2:]]
        assert areas == pytest.approx([level[0][0] ** 2] * 4)
        ratios = [width / height for width, height in level[2:]]
        assert ratios == pytest.approx([2, 1 / 2, 3, 1 / 3])
