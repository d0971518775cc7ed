"""A picture of test images with a network's results next to the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from oneshot.data.errors import InvalidData
from oneshot.data.scenes.painting import paint_targets
from oneshot.data.sheet import draw_sheet, pixels_of
from oneshot.training.passes import Passes, moved_inputs
from spaces.files import replacing

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.tasks.task import Task

IMAGES = 4
"""Number of test images, which are spread evenly over the test part."""

CELL = 192


@torch.no_grad()
def result_sheet(
    model: nn.Module, data: ImageData, task: Task, path: Path, device: torch.device | None = None
) -> None:
    """Write a PNG with test images, whose boxes or masks are labelled above and found below.

    Args:
        model: Network in evaluation mode.
        data: Data set with the test part.
        task: Task of the network, which `has_pictures`.
        path: Path of the PNG file.
        device: Device of the network; None for the CPU.

    Raises:
        InvalidData: No image of the test part can be read.
    """
    device = device or torch.device("cpu")
    columns = []
    titles = []
    count = min(IMAGES, len(data.test))
    for index in np.linspace(0, len(data.test) - 1, count).astype(int).tolist():
        images, targets = data.test.tensors([index])
        # An unreadable image is left out.
        if not len(images):
            continue

        outputs = Passes(task).forward(model, moved_inputs(images, device))
        pixels = pixels_of(data, images)
        results = task.found_targets(outputs, targets)
        rows = [paint_targets(pixels, painted) for painted in (targets, results)]
        columns.append(np.concatenate(rows))
        titles.append(f"test image {index}")

    if not columns:
        raise InvalidData(f"none of {count} images of the test part of {data.title} can be read")
    classes = data.classes or tuple(map(str, range(data.num_classes)))
    sheet = draw_sheet(columns, titles, ("labelled", "found"), CELL, classes)
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")
