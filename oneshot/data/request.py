"""What a data set is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


def title(name: str) -> str:
    """A data set's name without the folders where its owner keeps it.

    Args:
        name: as an `ImageData` or a run has it: `cifar10:/data/cifar` is `cifar10`,
            `/data/photographs` and `image-folder:/data/photographs` are `photographs`.
    """
    key, colon, rest = name.partition(":")
    return Path(rest if colon and key == "image-folder" else key).name


RECORDED = ("loader", "preprocessing", "limit", "validation")
"""What a run writes down of a request, beside name and split seed."""


@dataclass(frozen=True)
class DataRequest:
    """What `registry.load` hands to the function that reads a data set.

    Args:
        name: the data set as it will be named: `cifar10`, `cifar10:FOLDER` or a folder.
        input_shape: (channels, height, width) of the network's input.
        path: the file or folder that the user named, or None.
        split_seed: of the validation split.
        loader: `auto`, `torch` or `dali`; of folders.
        preprocessing: `standard` or `spos`.
        limit: at most so many images in each part, or None.
        validation: how many training images the validation part takes, or None for a tenth, at most
            50,000.
        workers: processes or threads that read folders, or None for a processor each; changes no
            result.
    """

    name: str
    input_shape: tuple[int, int, int]
    path: Path | None = None
    split_seed: int = 0
    loader: str = "auto"
    preprocessing: str = "standard"
    limit: int | None = None
    validation: int | None = None
    workers: int | None = None

    def record(self) -> dict[str, Any]:
        """The settings beside name and seed, as `registry.load` takes them."""
        return {name: getattr(self, name) for name in RECORDED}
