"""A picture of training images next to their augmentations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from oneshot.data.epoch_order import EpochOrder, OrderLoader, Task
from oneshot.data.images import ImageData
from oneshot.data.inspection import has_classes
from oneshot.data.scenes.painting import paint_targets
from spaces.files import replacing

CELL, GAP, LINE = 128, 6, 18
COLUMNS = 7


def contact_sheet(data: ImageData, path: Path, seed: int = 0, rows: int = 8) -> None:
    """Write a PNG with one training image per row, as in evaluation and in seven augmentations.

    Boxes and masks are drawn over the images.


    Args:
        data: Data set whose training part is shown.
        path: Path of the PNG file.
        seed: Seed of the selection and of the augmentations.
        rows: Number of images.
    """
    split = data.train
    order = EpochOrder(len(split), rows, seed)
    tasks = [order.task(epoch, 0, True) for epoch in range(COLUMNS)]
    indices = tasks[0].indices
    loader = split.epochs(rows, seed, augment=True)
    assert isinstance(loader, OrderLoader)

    # The same images in every column: only the random numbers of the augmentation differ.
    augmented = loader.engine(Task(indices, task.numbers, replace=True) for task in tasks)
    columns = [split.tensors(indices), *augmented]
    names = [""] * len(indices)
    if has_classes(split.labels):
        names = [
            data.classes[label] if data.classes else str(label)
            for label in split.labels[indices].tolist()
        ]
    sheet = _draw(
        [paint_targets(_pixels(data, images.cpu()), targets) for images, targets in columns], names
    )
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")


def _pixels(data: ImageData, images: Tensor) -> np.ndarray:
    """Return the images as uint8 [n, height, width, 3]."""
    if data.preprocessing is not None:
        pixels = data.preprocessing.pixels(images)
    else:
        # Images that were delivered ready are stretched to the range of pixels.
        low = images.amin()
        high = images.amax()
        pixels = ((images - low) / (high - low) * 255).round().byte()

    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    return pixels.permute(0, 2, 3, 1).to(torch.uint8).numpy()


def _draw(columns: list[np.ndarray], names: list[str]) -> Image.Image:
    step = CELL + GAP
    sheet = Image.new(
        "RGB", (len(columns) * step + GAP, len(names) * (step + LINE) + LINE + GAP), "white"
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=12)

    for column, images in enumerate(columns):
        draw.text(
            (GAP + column * step, 3),
            f"augmented {column}" if column else "evaluation",
            "black",
            font,
        )
        for row, pixels in enumerate(images[: len(names)]):
            top = LINE + GAP + row * (step + LINE)

            # Small images are enlarged by whole pixels, so that they stay recognisable as such.
            small = min(pixels.shape[:2]) < CELL
            cell = Image.fromarray(pixels).resize(
                (CELL, CELL), Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
            )
            sheet.paste(cell, (GAP + column * step, top))
            if not column:
                draw.text((GAP, top + CELL + 2), names[row][:24], "black", font)

    return sheet
