"""Sheets of images in columns, with titles and a legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from oneshot.data.images import ImageData
from oneshot.data.scenes.painting import COLOURS

CELL, GAP, LINE = 128, 6, 18


def pixels_of(data: ImageData, images: Tensor) -> np.ndarray:
    """Return images of a data set as pixels, uint8 [n, height, width, 3].

    Args:
        data: Data set, whose preprocessing is undone.
        images: Inputs of a network [n, channels, height, width].
    """
    images = images.cpu()
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


def draw_sheet(
    columns: Sequence[np.ndarray],
    titles: Sequence[str],
    names: Sequence[str],
    cell: int = CELL,
    classes: Sequence[str] = (),
) -> Image.Image:
    """Return a picture with the images of each column below each other.

    Args:
        columns: Pixels of each column, uint8 [rows, height, width, 3].
        titles: Title of each column.
        names: Name of each row, which is below its first image.
        cell: Side of an image in pixels of the sheet.
        classes: Names of the classes, which a legend shows with their colours; empty: no legend.
    """
    font = ImageFont.load_default(size=12)
    step = cell + GAP
    width = len(columns) * step + GAP
    positions = _legend(classes, width, font)
    legend = positions[-1][1] + LINE if positions else 0
    height = len(names) * (step + LINE) + LINE + GAP
    sheet = Image.new("RGB", (width, height + legend), "white")
    draw = ImageDraw.Draw(sheet)

    for column, (images, title) in enumerate(zip(columns, titles, strict=True)):
        draw.text((GAP + column * step, 3), title, "black", font)
        for row, pixels in enumerate(images[: len(names)]):
            top = LINE + GAP + row * (step + LINE)

            # Small images are enlarged by nearest pixels, so that they stay recognisable as such.
            small = min(pixels.shape[:2]) < cell
            resized = Image.fromarray(pixels).resize(
                (cell, cell), Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
            )
            sheet.paste(resized, (GAP + column * step, top))
            if not column:
                draw.text((GAP, top + cell + 2), names[row][:24], "black", font)

    for label, (name, (x, y)) in enumerate(zip(classes, positions, strict=True)):
        top = height + y
        draw.rectangle((x, top + 3, x + 10, top + 13), COLOURS[label % len(COLOURS)], "black")
        draw.text((x + 15, top), name, "black", font)

    return sheet


def _legend(
    classes: Sequence[str], width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> list[tuple[int, int]]:
    """Return left and top of each entry of a legend, in lines that are at most `width` long."""
    positions = []
    x = GAP
    y = 0
    for name in classes:
        length = 15 + round(font.getlength(name)) + 2 * GAP
        if x > GAP and x + length > width:
            x = GAP
            y += LINE
        positions.append((x, y))
        x += length
    return positions
