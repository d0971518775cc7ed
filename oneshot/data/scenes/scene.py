"""Scenes: an image with its boxes or its mask, and what a network learns from a view of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from oneshot.data.augmentation import NUMBERS, Augmentation
from oneshot.data.decoding import read_mask
from oneshot.data.errors import UnreadableImage
from oneshot.data.padded import Padded
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.scenes.views import (
    IGNORED,
    SceneAugmentation,
    View,
    generator_of,
    letterbox,
    random_view,
)

DIFFICULT = 1
"""Flag of an object that is hard to see (VOC): it counts neither as found nor as missed."""

CROWD = 2
"""Flag of a box around many objects (COCO), any number of which may be found in it."""


@dataclass(frozen=True)
class Scene:
    """An image with its targets.

    Args:
        image: Image in RGB.
        boxes: Objects, float [n, 6]: left, top, right and bottom in pixels of the image, class, and
            flag (0, `DIFFICULT` or `CROWD`); None: there is a mask.
        mask: Class of each pixel, uint8 [height, width], `IGNORED` where it has none; None: there
            are boxes.
    """

    image: Image.Image
    boxes: np.ndarray | None = None
    mask: np.ndarray | None = None

    def seen(self, view: View, preprocessing: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels and the target of a view.

        Returns:
            Pixels, uint8 [height, width, 3], and boxes, float32 [k, 6], or the mask, uint8
            [height, width].
        """
        pixels = view.pixels(self.image, fill_of(preprocessing), preprocessing.antialias)
        if self.mask is not None:
            return pixels, view.mask(self.mask)
        assert self.boxes is not None
        return pixels, view.boxes(self.boxes)


class SceneTargets(Protocol):
    """Targets of a part of a data set, which belong to its images by their index."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: Any) -> Any:
        """Return the targets of some images."""

    def scene(self, index: int, image: Image.Image) -> Scene:
        """Return an image with its targets; raises UnreadableImage where these are broken."""

    def describe(self) -> str:
        """Return in words what the targets are."""

    def collate(self, targets: Sequence[np.ndarray], canvas: tuple[int, int]) -> Any:
        """Return targets of views as those of a batch."""


class BoxTargets:
    """Boxes of images.

    Args:
        rows: Objects of each image, float [k, 6], as in `Scene.boxes`.
    """

    def __init__(self, rows: Sequence[np.ndarray]):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> BoxTargets:
        return BoxTargets([self.rows[number] for number in np.arange(len(self))[index]])

    def scene(self, index: int, image: Image.Image) -> Scene:
        """Return an image with its boxes."""
        return Scene(image, boxes=self.rows[index])

    def describe(self) -> str:
        """Return the number of boxes."""
        return f"{sum(map(len, self.rows))} boxes"

    def collate(self, targets: Sequence[np.ndarray], canvas: tuple[int, int]) -> Padded:
        """Return the boxes of views, values [b, longest, 6]."""
        if not targets:
            return Padded(torch.empty(0, 0, 6), torch.empty(0, dtype=torch.int64))
        return Padded.from_rows([torch.from_numpy(rows) for rows in targets])


class MaskTargets:
    """Files of masks, which are read together with their images.

    Args:
        root: Folder that the paths are relative to.
        files: Path of each mask, a grey or palette PNG with a class for each pixel.
        num_classes: Number of classes; greater values are ignored pixels.
    """

    def __init__(self, root: Path, files: Sequence[str], num_classes: int):
        self.root = root
        self.files = files
        self.num_classes = num_classes

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> MaskTargets:
        files = [self.files[number] for number in np.arange(len(self))[index]]
        return MaskTargets(self.root, files, self.num_classes)

    def scene(self, index: int, image: Image.Image) -> Scene:
        """Return an image with its mask.

        Raises:
            UnreadableImage: The mask cannot be read, or has another size than the image.
        """
        mask = read_mask(self.root / self.files[index])
        if mask.shape[::-1] != image.size:
            sizes = " x ".join(map(str, mask.shape[::-1])), " x ".join(map(str, image.size))
            raise UnreadableImage(f"its mask has {sizes[0]} pixels, the image {sizes[1]}")
        return Scene(image, mask=np.where(mask < self.num_classes, mask, IGNORED).astype(np.uint8))

    def describe(self) -> str:
        """Return that they are masks."""
        return "masks"

    def collate(self, targets: Sequence[np.ndarray], canvas: tuple[int, int]) -> Tensor:
        """Return the masks of views, uint8 [b, height, width]."""
        if not targets:
            return torch.empty(0, *canvas, dtype=torch.uint8)
        return torch.from_numpy(np.stack(targets))


def fill_of(preprocessing: Preprocessing) -> np.ndarray:
    """Return the colour beside an image, uint8 [3]: the mean, which is 0 after normalisation."""
    mean: np.ndarray = np.rint(255 * np.array(preprocessing.mean)).astype(np.uint8)
    return mean


def render(
    scene_at: Callable[[int], Scene],
    index: int,
    count: int,
    numbers: np.ndarray | None,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels and the target of an image of a batch, as `Scene.seen` does.

    Args:
        scene_at: Function that reads a scene by its index.
        index: Index of the image.
        count: Number of images of the part, from which a mosaic takes three more.
        numbers: Random numbers [NUMBERS] of a training image; None: it is seen as in evaluation.
        preprocessing: Size and colours of the network's input.
        augmentation: Random changes of training images.
    """
    canvas = preprocessing.input_shape[1], preprocessing.input_shape[2]
    scene = scene_at(index)
    if numbers is None:
        return scene.seen(letterbox(*scene.image.size, canvas), preprocessing)

    changes = scene_augmentation(augmentation)
    rng = generator_of(numbers)
    # A number of its own, so that single images are the same with and without mosaics.
    if numbers[-1] >= changes.mosaic:
        view = random_view(*scene.image.size, canvas, scene.boxes, numbers, changes)
        return scene.seen(view, preprocessing)

    scenes = [scene, *(scene_at(int(rng.integers(count))) for _ in range(3))]
    return _mosaic(scenes, canvas, rng, preprocessing, changes)


def scene_augmentation(augmentation: Augmentation) -> SceneAugmentation:
    """Return the changes of scenes; of another augmentation only the common ones apply."""
    if isinstance(augmentation, SceneAugmentation):
        return augmentation
    return SceneAugmentation(
        augmentation.flip, augmentation.jitter, augmentation.area, cutout=augmentation.cutout
    )


def _mosaic(
    scenes: Sequence[Scene],
    canvas: tuple[int, int],
    rng: np.random.Generator,
    preprocessing: Preprocessing,
    augmentation: SceneAugmentation,
) -> tuple[np.ndarray, np.ndarray]:
    """Return four scenes around a random point of the canvas."""
    y, x = (round(side * rng.uniform(0.35, 0.65)) for side in canvas)
    pixels = np.empty((*canvas, 3), np.uint8)
    mask = np.empty(canvas, np.uint8)
    boxes = []
    corners = ((0, 0, y, x), (0, x, y, canvas[1]), (y, 0, canvas[0], x), (y, x, *canvas))
    for scene, (top, left, bottom, right) in zip(scenes, corners, strict=True):
        window = slice(top, bottom), slice(left, right)
        numbers = rng.random(NUMBERS, dtype=np.float32)
        view = random_view(
            *scene.image.size, (bottom - top, right - left), scene.boxes, numbers, augmentation
        )
        pixels[window], target = scene.seen(view, preprocessing)
        if scene.mask is not None:
            mask[window] = target
        else:
            target[:, :4] += (left, top, left, top)
            boxes.append(target)

    return pixels, np.concatenate(boxes) if boxes else mask
