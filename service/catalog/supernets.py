"""Supernets that a request may name: the runs of finished trainings, read without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.errors import InvalidFile
from spaces.files import read_text

_SETTINGS, _WEIGHTS = "run.json", "weights.safetensors"


@dataclass(frozen=True)
class SupernetRun:
    """The folder of a supernet's finished training.

    Args:
        name: what a request calls it.
        space: canonical name.
        weights: the file of the trained weights.
        data: what it was trained on, as the run recorded it.
    """

    name: str
    space: str
    weights: Path
    data: dict[str, Any]


def trained_supernets(places: tuple[Path, ...]) -> dict[str, SupernetRun]:
    """Name -> run; the name is the folder's, and the first place wins where two hold the same.

    Args:
        places: folders of runs, or folders that hold such folders.
    """
    found: dict[str, SupernetRun] = {}
    for folder in _folders(places):
        run = _read(folder)
        if run is not None:
            found.setdefault(run.name, run)
    return found


def _folders(places: tuple[Path, ...]) -> Iterator[Path]:
    for place in places:
        if (place / _SETTINGS).is_file():
            yield place
        elif place.is_dir():
            yield from sorted(settings.parent for settings in place.glob(f"*/{_SETTINGS}"))


def _read(folder: Path) -> SupernetRun | None:
    """The run of a folder; None where it is another's, unfinished or unreadable."""
    weights = folder / _WEIGHTS
    try:
        settings = json.loads(read_text(folder / _SETTINGS))
        if settings["kind"] != "supernet" or not weights.is_file():
            return None
        return SupernetRun(
            folder.resolve().name, str(settings["space"]), weights, dict(settings["data"])
        )
    except (InvalidFile, ValueError, KeyError, TypeError):
        return None
