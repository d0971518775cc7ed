"""A picture of training images beside what augmentation makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from oneshot.data.epoch_order import EpochOrder, OrderLoader, Task
from oneshot.data.images import ImageData
from spaces.files import replacing

CELL, GAP, LINE = 128, 6, 18
COLUMNS = 7


def contact_sheet(data: ImageData, path: Path, seed: int = 0, rows: int = 8) -> None:
    """Write a PNG file: a training image a row, as evaluation sees it and in seven augmentations.

    Args:
        data: its training part is shown.
        path: of the PNG file.
        seed: of the images and the draws.
        rows: images.
    """
    split = data.train
    order = EpochOrder(len(split), rows, seed)
    tasks = [order.task(epoch, 0, True) for epoch in range(COLUMNS)]
    indices = tasks[0].indices
    loader = split.epochs(rows, seed, augment=True)
    assert isinstance(loader, OrderLoader)
    shown = [split.tensors(indices)[0]]
    shown += [
        images
        for images, _ in loader.engine(Task(indices, task.numbers, replace=True) for task in tasks)
    ]
    names = [
        data.classes[label] if data.classes else str(label)
        for label in split.labels[indices].tolist()
    ]
    sheet = _drawn([_pixels(data, images.cpu()) for images in shown], names)
    with replacing(path) as beside:
        sheet.save(beside, "PNG")


def _pixels(data: ImageData, images: Tensor) -> np.ndarray:
    # uint8 [n, height, width, 3]
    if data.preprocessing is not None:
        pixels = data.preprocessing.pixels(images)
    else:
        low, high = images.amin(), images.amax()
        pixels = ((images - low) / (high - low) * 255).round().byte()
    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    return pixels.permute(0, 2, 3, 1).to(torch.uint8).numpy()


def _drawn(columns: list[np.ndarray], names: list[str]) -> Image.Image:
    step = CELL + GAP
    sheet = Image.new(
        "RGB", (len(columns) * step + GAP, len(names) * (step + LINE) + LINE + GAP), "white"
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for column, images in enumerate(columns):
        draw.text(
            (GAP + column * step, 3),
            f"augmented {column}" if column else "evaluation",
            "black",
            font,
        )
        for row, pixels in enumerate(images[: len(names)]):
            top = LINE + GAP + row * (step + LINE)
            small = min(pixels.shape[:2]) < CELL
            cell = Image.fromarray(pixels).resize(
                (CELL, CELL), Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
            )
            sheet.paste(cell, (GAP + column * step, top))
            if not column:
                draw.text((GAP, top + CELL + 2), names[row][:24], "black", font)
    return sheet
