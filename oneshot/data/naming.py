"""What data sets are called where others read it."""

from __future__ import annotations

from pathlib import Path


def title(name: str) -> str:
    """A data set's name without the folders where its owner keeps it.

    Args:
        name: as an `ImageData` or a run has it: `cifar10:/data/cifar` is `cifar10`, `/data/photographs` and
            `image-folder:/data/photographs` are `photographs`.
    """
    key, colon, rest = name.partition(":")
    return Path(rest if colon and key == "image-folder" else key).name
