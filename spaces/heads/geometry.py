"""Where the predictions of a detector lie in the image."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Level:
    """A feature map from which boxes are predicted.

    Args:
        stride: Pixels of the image between two neighbouring cells.
        height: Number of rows of cells.
        width: Number of columns of cells.
        anchors: (width, height) in pixels of each anchor of a cell; empty without anchors, where a
            cell is one location.

    Example:
        >>> Level(16, 3, 4, ((8.0, 8.0), (12.0, 6.0))).num_locations
        24
        >>> Level(16, 3, 4).num_locations
        12
    """

    stride: int
    height: int
    width: int
    anchors: tuple[tuple[float, float], ...] = ()

    @property
    def num_locations(self) -> int:
        """Number of boxes that are predicted: one for each anchor of each cell."""
        return self.height * self.width * max(len(self.anchors), 1)


@dataclass(frozen=True)
class BoxGeometry:
    """The locations of a detector's predictions, in the order in which a network returns them.

    Levels are ordered from the finest to the coarsest, cells of a level row by row, anchors of a
    cell as listed. Centres are at the middle of the cells (Liu et al., ECCV 2016, arXiv
    1512.02325).

    Args:
        image: (height, width) of the input in pixels.
        levels: Feature maps with predictions.
        background: Whether channel 0 of the scores is the background, before the classes.

    Example:
        >>> geometry = BoxGeometry((32, 32), (Level(16, 2, 2, ((8.0, 8.0), (12.0, 6.0))),), True)
        >>> geometry.num_locations
        8
        >>> geometry.centres()[:3].tolist()
        [[8.0, 8.0], [8.0, 8.0], [24.0, 8.0]]
        >>> geometry.anchors()[1].tolist()
        [2.0, 5.0, 14.0, 11.0]
    """

    image: tuple[int, int]
    levels: tuple[Level, ...]
    background: bool

    @property
    def num_locations(self) -> int:
        """Number of locations of all levels."""
        return sum(level.num_locations for level in self.levels)

    @property
    def has_anchors(self) -> bool:
        """Whether each location has an anchor box, to which offsets refer."""
        return all(level.anchors for level in self.levels)

    def centres(self) -> NDArray[np.float64]:
        """Return the centre (x, y) of each location in pixels, [locations, 2]."""
        height, width = self.image
        centres = []
        for level in self.levels:
            y, x = np.meshgrid(
                (np.arange(level.height) + 0.5) * height / level.height,
                (np.arange(level.width) + 0.5) * width / level.width,
                indexing="ij",
            )
            cells = np.stack([x, y], -1).reshape(-1, 2)
            centres.append(cells.repeat(max(len(level.anchors), 1), axis=0))

        return np.concatenate(centres)

    def strides(self) -> NDArray[np.float64]:
        """Return the stride of each location's level in pixels, [locations]."""
        counts = [level.num_locations for level in self.levels]
        return np.repeat([float(level.stride) for level in self.levels], counts)

    def level_of_location(self) -> NDArray[np.int64]:
        """Return the index of each location's level, [locations]."""
        counts = [level.num_locations for level in self.levels]
        return np.repeat(np.arange(len(self.levels)), counts)

    def anchors(self) -> NDArray[np.float64]:
        """Return the anchor box (left, top, right, bottom) of each location in pixels.

        Boxes may reach beyond the image.

        Returns:
            Array [locations, 4].

        Raises:
            ValueError: Locations have no anchors.
        """
        if not self.has_anchors:
            raise ValueError("locations of this head have no anchors; use centres() and strides()")

        sizes = np.concatenate(
            [
                np.tile(np.array(level.anchors), (level.height * level.width, 1))
                for level in self.levels
            ]
        )
        centres = self.centres()
        return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def ssd_anchors(
    image: tuple[int, int], num_levels: int, ratios: Sequence[float], scales: tuple[float, float]
) -> list[tuple[tuple[float, float], ...]]:
    """Return the anchors of each level as SSD has them (arXiv 1512.02325, section 2.2).

    With scales s_1 < ... < s_(m+1) at equal distances, a cell of level k has squares of s_k and
    sqrt(s_k s_(k+1)), and for each ratio r the boxes s_k sqrt(r) x s_k / sqrt(r), both ways.

    Args:
        image: (height, width) of the input in pixels, which scales 1 are.
        num_levels: Number m of levels.
        ratios: Ratios of the sides above 1.
        scales: The first and the last scale, as fractions of the image.

    Returns:
        For each level (width, height) of each anchor in pixels.

    Example:
        >>> ssd_anchors((100, 100), 1, (4.0,), (0.1, 0.4))
        [((10.0, 10.0), (20.0, 20.0), (20.0, 5.0), (5.0, 20.0))]
    """
    height, width = image
    steps = np.linspace(*scales, num_levels + 1)
    levels = []

    for scale, following in itertools.pairwise(steps):
        shapes = [(scale, scale), (np.sqrt(scale * following),) * 2]
        for ratio in ratios:
            root = np.sqrt(ratio)
            shapes += [(scale * root, scale / root), (scale / root, scale * root)]
        # Rounded, because products of roots have errors in their last digits.
        levels.append(
            tuple((round(float(w * width), 6), round(float(h * height), 6)) for w, h in shapes)
        )

    return levels
