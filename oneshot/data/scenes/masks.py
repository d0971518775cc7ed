"""Folders of images and masks: `train/images/NAME.jpg` and `train/masks/NAME.png`."""

from __future__ import annotations

from pathlib import Path

from oneshot.data.decoding import read_mask
from oneshot.data.errors import InvalidData, UnreadableImage
from oneshot.data.folder import images_below
from oneshot.data.images import ImageData
from oneshot.data.request import DataRequest
from oneshot.data.scenes.parts import Part, read_classes, scene_data
from oneshot.data.scenes.scene import MaskTargets
from oneshot.data.scenes.views import IGNORED

PARTS = ("train", "val", "test")


def load(request: DataRequest) -> ImageData:
    """Read a folder with `train`, and `val` or `test`, each with `images` and `masks`.

    A mask has a class for each pixel, from 0 on. `classes.txt` names the classes, a line each; all
    greater values are ignored. Without it the classes are the values of the training masks, except
    255, which is always ignored.

    Raises:
        InvalidData: A part or a mask is missing, or no mask has a class.
    """
    if request.path is None:
        raise InvalidData("masks needs a folder: write --data masks:FOLDER")

    root = request.path
    files = {part: _pairs(root, part) for part in PARTS if (root / part).is_dir()}
    if "train" not in files:
        raise InvalidData(
            f"there is no folder {root / 'train'}; a data set has train/images, train/masks, and"
            " val or test likewise"
        )

    classes = read_classes(root)
    num_classes = _greatest(root, files["train"]) + 1 if classes is None else len(classes)
    parts = {
        part: Part(
            [image for image, _ in pairs],
            MaskTargets(root, [mask for _, mask in pairs], num_classes),
        )
        for part, pairs in files.items()
    }
    return scene_data(request, root, parts, classes or (), num_classes)


def _pairs(root: Path, part: str) -> list[tuple[str, str]]:
    """Return the images of a part with their masks, by their names."""
    pairs = []
    for image in images_below(root, f"{part}/images"):
        relative = Path(image).relative_to(f"{part}/images")
        mask = f"{part}/masks/{relative.with_suffix('.png').as_posix()}"
        if not (root / mask).is_file():
            raise InvalidData(f"{root / image} has no mask {root / mask}")
        pairs.append((image, mask))
    return pairs


def _greatest(root: Path, pairs: list[tuple[str, str]]) -> int:
    """Return the greatest class of the masks, of which broken ones are skipped when read."""
    greatest = -1
    for _, mask in pairs:
        try:
            values = read_mask(root / mask)
        except UnreadableImage:
            continue
        classes = values[values != IGNORED]
        greatest = max(greatest, int(classes.max()) if len(classes) else -1)

    if greatest < 0:
        raise InvalidData(f"no mask of {root / 'train'} has a class")
    return greatest
