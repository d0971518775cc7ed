"""Tiny-ImageNet: `train/CLASS/images/*.JPEG`, `val/images/*.JPEG`, `val/val_annotations.txt`."""

from __future__ import annotations

from pathlib import Path

from oneshot.data.errors import InvalidData
from oneshot.data.files import locate
from oneshot.data.folder import Labelled, class_folders, folder_data, images_below, images_by_class
from oneshot.data.images import ImageData
from oneshot.data.request import DataRequest
from spaces.files import read_text

# File name and class of each image of the folder `val`.
ANNOTATIONS = "val_annotations.txt"
HOME = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


def load(request: DataRequest) -> ImageData:
    """Read Tiny-ImageNet: 100,000 and 10,000 images of 64 x 64 pixels, 200 classes.

    Its `val` folder is the test part. Its `test` folder has no labels and is not read.

    Raises:
        InvalidData: A part is missing, or an annotation names no class.
    """
    annotations = locate(
        request,
        (f"val/{ANNOTATIONS}", f"tiny-imagenet-200/val/{ANNOTATIONS}"),
        f"Tiny-ImageNet ({HOME})",
    )
    if annotations.is_dir() or annotations.parent.name != "val":
        raise InvalidData(
            f"--data {request.name!r}: the unpacked folder of Tiny-ImageNet is needed"
        )

    root = annotations.parent.parent
    classes = class_folders(root / "train")

    return folder_data(
        request,
        root,
        classes,
        images_by_class(root, "train", classes, "images"),
        _annotated(root, classes),
    )


def _annotated(root: Path, classes: list[str]) -> Labelled:
    path = root / "val" / ANNOTATIONS
    index_of_class = {name: index for index, name in enumerate(classes)}
    labels = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in index_of_class:
            raise InvalidData(
                f"{path}, line {number}: a file and one of the {len(classes)} classes are needed:"
                f" {line!r:.80}"
            )

        labels[fields[0]] = index_of_class[fields[1]]

    labelled = []
    for file in images_below(root, "val/images"):
        # The annotations name files without their folder.
        name = file.rpartition("/")[2]
        if name not in labels:
            raise InvalidData(f"{path} does not name {name}")
        labelled.append((file, labels[name]))

    return labelled
