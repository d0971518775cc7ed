"""A picture of training images next to their augmentations."""

from __future__ import annotations

from pathlib import Path

from oneshot.data.epoch_order import EpochOrder, OrderLoader, Task
from oneshot.data.images import ImageData
from oneshot.data.inspection import has_classes
from oneshot.data.scenes.painting import paint_targets
from oneshot.data.sheet import draw_sheet, pixels_of
from spaces.files import replacing

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
    painted = [paint_targets(pixels_of(data, images), targets) for images, targets in columns]
    titles = ["evaluation", *(f"augmented {number + 1}" for number in range(COLUMNS))]
    sheet = draw_sheet(painted, titles, names)
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")
