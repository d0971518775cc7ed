"""Render scenes for a network: single views, or mosaics of four scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from oneshot.data.augmentation import NUMBERS, Augmentation
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.scenes.scene import Scene
from oneshot.data.scenes.views import View, generator_of, letterbox, random_view


def view_of(
    size: tuple[int, int],
    boxes: np.ndarray | None,
    numbers: np.ndarray | None,
    canvas: tuple[int, int],
    augmentation: Augmentation,
) -> View:
    """Return the view of a single image.

    Args:
        size: Width and height of the image in pixels.
        boxes: Boxes in the image [n, 6]; None: it has none.
        numbers: Random numbers [NUMBERS] of a training image; None: it is seen as in evaluation.
        canvas: Height and width of the network's input.
        augmentation: Random changes of training images.
    """
    if numbers is None:
        return letterbox(*size, canvas)
    return random_view(*size, canvas, boxes, numbers, augmentation)


def render(
    scene: Scene,
    numbers: np.ndarray | None,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
    draw_scene: Callable[[np.random.Generator], Scene],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels and the target of an image of a batch, as `Scene.seen` does.

    Args:
        scene: The image with its targets.
        numbers: Random numbers [NUMBERS] of a training image; None: it is seen as in evaluation.
        preprocessing: Size and colours of the network's input.
        augmentation: Random changes of training images.
        draw_scene: Function that draws each of three further scenes of a mosaic.
    """
    canvas = preprocessing.input_shape[1], preprocessing.input_shape[2]
    if numbers is None or not augmentation.joins(numbers):
        view = view_of(scene.image.size, scene.boxes, numbers, canvas, augmentation)
        return scene.seen(view, preprocessing)

    rng = generator_of(numbers)
    scenes = [scene, *(draw_scene(rng) for _ in range(3))]
    return _mosaic(scenes, canvas, rng, preprocessing, augmentation)


def _mosaic(
    scenes: Sequence[Scene],
    canvas: tuple[int, int],
    rng: np.random.Generator,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
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
