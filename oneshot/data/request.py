"""The request for a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oneshot.data.text.options import TextOptions


def title(name: str) -> str:
    """Return the name of a data set without the path of its folder.

    Args:
        name: Name in an `ImageData` or a run: `cifar10:/data/cifar` gives `cifar10`,
            `/data/photographs` and `image-folder:/data/photographs` give `photographs`, and
            `text:/data/ptb` gives `ptb`.
    """
    key, colon, location = name.partition(":")
    return Path(location if colon and key in ("image-folder", "text") else key).name


RECORDED = ("loader", "preprocessing", "limit", "validation")
"""Fields of a request that a run records, in addition to name and split seed."""


@dataclass(frozen=True)
class DataRequest:
    """Argument of the function that reads a data set.

    Args:
        name: Canonical name: `cifar10`, `cifar10:FOLDER` or the path of a folder.
        input_shape: Shape (channels, height, width) of the network's input.
        path: File or folder that the user named, or None; of several the first one.
        split_seed: Seed of the validation split.
        loader: Reader of folders: `auto`, `torch` or `dali`.
        preprocessing: `standard` or `spos`.
        limit: Greatest number of images in each part; None for all.
        validation: Number of training images in the validation part, or as a float their fraction;
            None for a tenth, at most 50,000.
        workers: Processes or threads that read folders; None for one per processor. It does not
            change the images.
        text: How a text becomes tokens; None for data of other kinds, and for the defaults.
        paths: All files or folders that the user named.
    """

    name: str
    input_shape: tuple[int, int, int]
    path: Path | None = None
    split_seed: int = 0
    loader: str = "auto"
    preprocessing: str = "standard"
    limit: int | None = None
    validation: float | None = None
    workers: int | None = None
    text: TextOptions | None = None
    paths: tuple[Path, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the recorded settings as keyword arguments of `oneshot.data.load`."""
        record = {name: getattr(self, name) for name in RECORDED}
        return record if self.text is None else {**record, "text": self.text.to_dict()}
