"""Views: regions of images, resized onto the network's input with their boxes and masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from oneshot.data.augmentation import CROPS, FLIP, NUMBERS, Augmentation
from oneshot.data.resampling import resample

IGNORED = 255
"""Value of pixels of a mask that have no class, such as those beside the image."""

ATTEMPTS = 50
OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""Least overlaps of a crop with a box, one of which is drawn, and attempts at a crop (SSD)."""


SCENES = Augmentation(jitter=0.4, area=(0.1, 1.0), zoom_out=2.0)
"""The default changes of scenes, which move boxes and masks along; see `random_view`."""


@dataclass(frozen=True)
class View:
    """A region of an image, resized to a place on a canvas.

    Args:
        crop: Region (left, top, right, bottom) in whole pixels of the image.
        size: Width and height of the resized region.
        offset: Left and top of the resized region on the canvas.
        canvas: Height and width of the canvas.
        flip: Whether the canvas is flipped horizontally.

    Example:
        >>> view = letterbox(200, 100, (50, 50))
        >>> view.size, view.offset
        ((50, 25), (0, 12))
        >>> view.boxes(np.array([[0, 0, 200, 100, 2, 0]])).tolist()
        [[0.0, 12.0, 50.0, 37.0, 2.0, 0.0]]
    """

    crop: tuple[int, int, int, int]
    size: tuple[int, int]
    offset: tuple[int, int]
    canvas: tuple[int, int]
    flip: bool = False

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the canvas for a pixel of the image, horizontally and vertically."""
        left, top, right, bottom = self.crop
        return self.size[0] / (right - left), self.size[1] / (bottom - top)

    def pixels(self, image: Image.Image, fill: np.ndarray, antialias: bool = True) -> np.ndarray:
        """Return the view of an image in RGB, uint8 [height, width, 3].

        Args:
            image: Image in RGB.
            fill: Colour of the canvas beside the image, uint8 [3].
            antialias: Whether shrinking averages over the removed pixels.
        """
        canvas = np.empty((*self.canvas, 3), np.uint8)
        canvas[:] = fill
        canvas[self._window] = resample(image, self.crop, self.size[::-1], antialias)
        return canvas[:, ::-1] if self.flip else canvas

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """Return the view of a mask [height, width], uint8; beside the image it is `IGNORED`."""
        canvas = np.full(self.canvas, IGNORED, np.uint8)
        resized = Image.fromarray(mask).resize(self.size, Image.Resampling.NEAREST, box=self.crop)
        canvas[self._window] = np.asarray(resized)
        return canvas[:, ::-1] if self.flip else canvas

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes whose centres are seen, cut to the canvas, float32 [k, 6].

        Args:
            boxes: Left, top, right and bottom in pixels of the image, and two further columns that
                stay as they are [n, 6].
        """
        left, top, right, bottom = self.crop
        x = (boxes[:, 0] + boxes[:, 2]) / 2
        y = (boxes[:, 1] + boxes[:, 3]) / 2
        seen = boxes[(x >= left) & (x <= right) & (y >= top) & (y <= bottom)].astype(np.float64)

        for column, low, high, scale, offset in (
            (0, left, right, self.scale[0], self.offset[0]),
            (1, top, bottom, self.scale[1], self.offset[1]),
        ):
            edges = seen[:, column : column + 3 : 2]
            seen[:, column : column + 3 : 2] = (edges.clip(low, high) - low) * scale + offset

        if self.flip:
            seen[:, [0, 2]] = self.canvas[1] - seen[:, [2, 0]]
        visible: np.ndarray = seen[(seen[:, 2] > seen[:, 0]) & (seen[:, 3] > seen[:, 1])]
        return visible.astype(np.float32)

    def in_image(self, boxes: np.ndarray) -> np.ndarray:
        """Return boxes of the canvas [n, 4] in pixels of the image, cut to the region."""
        found = boxes.astype(np.float64)
        if self.flip:
            found[:, [0, 2]] = self.canvas[1] - found[:, [2, 0]]
        found = (found - np.tile(self.offset, 2)) / np.tile(self.scale, 2)
        found += np.tile(self.crop[:2], 2)
        cut: np.ndarray = found.clip(np.tile(self.crop[:2], 2), np.tile(self.crop[2:], 2))
        return cut

    @property
    def _window(self) -> tuple[slice, slice]:
        (x, y), (width, height) = self.offset, self.size
        return slice(y, y + height), slice(x, x + width)


def letterbox(
    width: int, height: int, canvas: tuple[int, int], crop: tuple[int, int, int, int] | None = None
) -> View:
    """Return the view of a whole image, as large as the canvas allows and in its middle.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        canvas: Height and width of the network's input.
        crop: Region of the image in its place; None: the whole image.
    """
    crop = crop or (0, 0, width, height)
    across = crop[2] - crop[0]
    down = crop[3] - crop[1]
    scale = min(canvas[1] / across, canvas[0] / down)
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    return View(crop, size, ((canvas[1] - size[0]) // 2, (canvas[0] - size[1]) // 2), canvas)


def random_view(
    width: int,
    height: int,
    canvas: tuple[int, int],
    boxes: np.ndarray | None,
    numbers: np.ndarray,
    augmentation: Augmentation,
) -> View:
    """Return the view of a training image.

    A third of the images is seen whole, a third is made smaller on the canvas, and of a third a
    crop is seen, as by Liu et al. (SSD, ECCV 2016, arXiv 1512.02325). Shapes are never stretched.

    Args:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        canvas: Height and width of the network's input.
        boxes: Boxes in the image [n, 6], one of which a crop overlaps; None: it has none.
        numbers: Random numbers [NUMBERS] of the image.
        augmentation: Ranges of the changes.
    """
    rng = generator_of(numbers)
    whole = letterbox(width, height, canvas)
    kind = int(rng.integers(3))
    view = whole
    if kind == 1:
        factor = rng.uniform(1, augmentation.zoom_out)
        across, down = (max(1, round(side / factor)) for side in whole.size)
        x, y = rng.random(2)
        offset = (round(x * (canvas[1] - across)), round(y * (canvas[0] - down)))
        view = View(whole.crop, (across, down), offset, canvas)
    elif kind == 2:
        crop = _crop(width, height, boxes, rng, augmentation)
        view = letterbox(width, height, canvas, crop)

    flip = bool(numbers[FLIP] < augmentation.flip)
    return View(view.crop, view.size, view.offset, canvas, flip)


def generator_of(numbers: np.ndarray) -> np.random.Generator:
    """Return a generator of further random numbers of an image, from its `NUMBERS` numbers.

    A crop that overlaps a box takes a number of attempts that is not known in advance.
    """
    return np.random.default_rng(np.ascontiguousarray(numbers[CROPS:]).view(np.uint32))


def _crop(
    width: int,
    height: int,
    boxes: np.ndarray | None,
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> tuple[int, int, int, int] | None:
    """Return a random region that overlaps a box by a random least IoU; None: there is none."""
    overlap = OVERLAPS[int(rng.integers(len(OVERLAPS)))]
    for _ in range(ATTEMPTS):
        crop = augmentation.crop(width, height, rng.random(NUMBERS, dtype=np.float32))
        if boxes is None or not len(boxes):
            return crop
        if _overlaps(np.array(crop, np.float64), boxes).max() >= overlap and _sees(crop, boxes):
            return crop
    return None


def _overlaps(crop: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the intersections over unions [n] of a region with boxes."""
    sides = np.minimum(crop[2:], boxes[:, 2:4]) - np.maximum(crop[:2], boxes[:, :2])
    common = sides.clip(0).prod(1)
    areas = (boxes[:, 2:4] - boxes[:, :2]).prod(1) + (crop[2:] - crop[:2]).prod()
    overlaps: np.ndarray = common / (areas - common)
    return overlaps


def _sees(crop: tuple[int, int, int, int], boxes: np.ndarray) -> bool:
    """Return whether the centre of any box is in a region."""
    centres = (boxes[:, :2] + boxes[:, 2:4]) / 2
    inside = (centres >= crop[:2]) & (centres <= crop[2:])
    return bool(inside.all(1).any())
