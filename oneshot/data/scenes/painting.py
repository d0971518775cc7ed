"""Pictures of boxes and masks over their images."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from oneshot.data.padded import Padded
from oneshot.data.scenes.views import IGNORED

COLOURS = (
    *((230, 25, 75), (60, 180, 75), (0, 130, 200), (255, 225, 25), (245, 130, 48)),
    *((145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212)),
    *((0, 128, 128), (220, 190, 255), (170, 110, 40), (255, 250, 200), (128, 0, 0)),
    *((170, 255, 195), (128, 128, 0), (255, 215, 180), (0, 0, 128), (128, 128, 128)),
)
"""Colours of the classes, which repeat from the 21st on."""

OPACITY = 0.5
"""Fraction of the class's colour in a pixel of a mask."""


def paint_boxes(pixels: np.ndarray, boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return an image with the outlines of boxes.

    Args:
        pixels: Image, uint8 [height, width, 3].
        boxes: Left, top, right and bottom in pixels [n, 4].
        labels: Classes, int [n].
    """
    image = Image.fromarray(pixels)
    painter = ImageDraw.Draw(image)
    width = max(1, min(image.size) // 100)
    for box, label in zip(boxes.tolist(), labels.tolist(), strict=True):
        painter.rectangle(box, outline=COLOURS[int(label) % len(COLOURS)], width=width)
    return np.asarray(image)


def paint_mask(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return an image under the colours of a mask; ignored pixels stay as they are.

    Args:
        pixels: Image, uint8 [height, width, 3].
        mask: Class of each pixel, int [height, width].
    """
    colours = np.array(COLOURS, np.float64)[mask % len(COLOURS)]
    blended = OPACITY * colours + (1 - OPACITY) * pixels
    painted = np.where((mask == IGNORED)[..., None], pixels, blended.round())
    return painted.astype(np.uint8)


def paint_targets(pixels: np.ndarray, targets: Any) -> np.ndarray:
    """Return images with their boxes or masks; those with other targets stay as they are.

    Args:
        pixels: Images, uint8 [n, height, width, 3].
        targets: Targets of a batch.
    """
    if isinstance(targets, Padded) and targets.values.ndim == 3:
        rows = [row.numpy() for row in targets.rows()]
        images = [
            paint_boxes(image, row[:, :4], row[:, 4])
            for image, row in zip(pixels, rows, strict=True)
        ]
    elif isinstance(targets, Tensor) and targets.ndim == 3:
        masks = targets.numpy()
        images = [paint_mask(image, mask) for image, mask in zip(pixels, masks, strict=True)]
    else:
        return pixels
    return np.stack(images)
