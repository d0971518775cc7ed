"""Generated scenes: squares, discs and triangles on noise, with their boxes or masks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from oneshot.data import validation_split
from oneshot.data.images import ImageData
from oneshot.data.request import DataRequest
from oneshot.data.scenes.parts import assembled, preprocessing_of
from oneshot.data.scenes.scene import BoxTargets, MaskTargets, Scene
from oneshot.data.scenes.splits import SceneMemory
from oneshot.errors import InvalidOption

SHAPES = ("square", "disc", "triangle")
SIZES = {"train": 400, "validation": 100, "test": 100}
MOST = 3
"""Greatest number of shapes in an image; the least is 1."""


def load_boxes(request: DataRequest) -> ImageData:
    """Return 600 images, each with boxes of up to three shapes.

    Args:
        request: The request; the split seed is the seed of the images, of which there are 400 for
            training, 100 for validation and 100 for tests. `validation` sets another number.

    Raises:
        InvalidOption: The input is smaller than 16 pixels, or has a path.
    """
    return _load(request, masks=False)


def load_masks(request: DataRequest) -> ImageData:
    """Return the same images with masks, whose class 0 is the background.

    Raises:
        InvalidOption: The input is smaller than 16 pixels, or has a path.
    """
    return _load(request, masks=True)


def _load(request: DataRequest, masks: bool) -> ImageData:
    height, width = request.input_shape[1:]
    if request.path is not None:
        raise InvalidOption(f"{request.name} is generated: leave out the path")
    if min(height, width) < 16:
        raise InvalidOption(f"input_size must be at least 16 for shapes, not {min(height, width)}")

    counts = dict(SIZES)
    if request.validation is not None:
        total = SIZES["train"] + SIZES["validation"]
        counts["validation"] = validation_split.validation_size(total, request.validation)
        counts["train"] = total - counts["validation"]

    classes = ("background", *SHAPES) if masks else SHAPES
    splits = []
    content = []
    for number, count in enumerate(counts.values()):
        shown = min(count, request.limit or count)
        scenes = [
            draw(height, width, np.random.default_rng([request.split_seed, number, index]), masks)
            for index in range(shown)
        ]
        targets = (
            MaskTargets(Path(), [], len(classes))
            if masks
            else BoxTargets([scene.boxes for scene in scenes if scene.boxes is not None])
        )
        splits.append(SceneMemory(scenes, targets, preprocessing_of(request)))
        content.append(([scene.image.tobytes() for scene in scenes], np.empty(0)))

    return assembled(request, tuple(splits), classes, len(classes), content)


def draw(height: int, width: int, rng: np.random.Generator, masks: bool) -> Scene:
    """Return a scene of one to three shapes, of which later ones may cover parts of earlier ones.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        rng: Generator of the scene.
        masks: Whether the targets are a mask rather than boxes.

    Example:
        >>> scene = draw(32, 32, np.random.default_rng(0), masks=False)
        >>> scene.image.size, scene.boxes.shape[1]
        ((32, 32), 6)
    """
    noise = rng.integers(0, 160, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    mask = Image.new("L", (width, height))
    painter = ImageDraw.Draw(image)
    mask_painter = ImageDraw.Draw(mask)

    rows: list[list[float]] = []
    for _ in range(int(rng.integers(1, MOST + 1))):
        shape = int(rng.integers(len(SHAPES)))
        side = float(rng.uniform(0.2, 0.5)) * min(height, width)
        left, top = rng.random(2) * (width - side - 1, height - side - 1)
        box = [math.floor(left), math.floor(top), math.ceil(left + side), math.ceil(top + side)]

        # Shapes that cover each other to a large part could not be told apart.
        if any(_common(box, row) > 0.3 for row in rows):
            continue
        colour = tuple(int(value) for value in rng.integers(96, 256, 3))
        _paint(painter, shape, box, colour)
        _paint(mask_painter, shape, box, shape + 1)
        rows.append([*map(float, box), shape, 0])

    if masks:
        return Scene(image, mask=np.asarray(mask))
    boxes = np.array(rows, np.float32)

    # The painted border belongs to a shape.
    boxes[:, 2:4] += 1
    return Scene(image, boxes=boxes)


def _paint(
    painter: ImageDraw.ImageDraw, shape: int, box: list[int], colour: int | tuple[int, ...]
) -> None:
    left, top, right, bottom = box
    if shape == 0:
        painter.rectangle(box, fill=colour)
    elif shape == 1:
        painter.ellipse(box, fill=colour)
    else:
        painter.polygon([((left + right) // 2, top), (left, bottom), (right, bottom)], fill=colour)


def _common(first: list[int], second: list[float]) -> float:
    """Return the fraction of the smaller of two boxes that the other one covers."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return max(0.0, across) * max(0.0, down) / min(areas)
