"""Data sets by name."""

from __future__ import annotations

import importlib

from oneshot.data.images import ImageData
from spaces.errors import UnknownName

_MODULES = {"digits": "oneshot.data.digits"}


def available() -> list[str]:
    """The names that `load` takes."""
    return sorted(_MODULES)


def load(name: str, input_shape: tuple[int, int, int], split_seed: int = 0) -> ImageData:
    """The data set of a name.

    Args:
        name: one of `available()`.
        input_shape: (channels, height, width) of the network's input.
        split_seed: of the validation and test splits.

    Raises:
        UnknownName: no such data set.
    """
    if name not in _MODULES:
        raise UnknownName("data set", name, available())
    loaded: ImageData = importlib.import_module(_MODULES[name]).load(input_shape, split_seed)
    return loaded
