"""Trained supernets that a request may name, found without importing torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneshot.evaluation.verdicts import VERDICT
from oneshot.tasks.registry import DEFAULT
from service.jobs import JsonObject
from spaces.errors import InvalidFile
from spaces.files import read_text

_SETTINGS = "run.json"
_WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class SupernetRun:
    """The finished training of a supernet.

    Args:
        name: Name that requests use.
        space: Canonical name of the space.
        weights: File of the trained weights.
        data: Settings of the data set, as the run recorded them.
        task: Task of the training.
        verdict: Verdict on the supernet's ranking that `oneshot evaluate` recorded; None if it was
            not judged.
    """

    name: str
    space: str
    weights: Path
    data: Mapping[str, Any]
    task: str
    verdict: JsonObject | None = None


def trained_supernets(locations: tuple[Path, ...]) -> dict[str, SupernetRun]:
    """Map the names of trained supernets, which are those of their folders, to their runs.

    Args:
        locations: Folders of runs, or folders that contain such folders. The first run of a name
            precedes.
    """
    runs: dict[str, SupernetRun] = {}
    for folder in _folders(locations):
        run = _read(folder)
        if run is not None:
            runs.setdefault(run.name, run)
    return runs


def _folders(locations: tuple[Path, ...]) -> Iterator[Path]:
    for location in locations:
        if (location / _SETTINGS).is_file():
            yield location
        elif location.is_dir():
            yield from sorted(settings.parent for settings in location.glob(f"*/{_SETTINGS}"))


def _read(folder: Path) -> SupernetRun | None:
    """Read the run of a folder; None if it is of another kind, unfinished or unreadable."""
    weights = folder / _WEIGHTS
    try:
        settings = json.loads(read_text(folder / _SETTINGS))
        # The weights are written at the end of a training.
        if settings["kind"] != "supernet" or not weights.is_file():
            return None
        # Older runs are classifications, which they do not record.
        task = str(settings.get("task", DEFAULT))
        return SupernetRun(
            folder.resolve().name,
            str(settings["space"]),
            weights,
            dict(settings["data"]),
            task,
            _read_verdict(folder, weights),
        )
    except (InvalidFile, ValueError, KeyError, TypeError):
        return None


def _read_verdict(folder: Path, weights: Path) -> JsonObject | None:
    path = folder / VERDICT
    try:
        # A verdict on the weights of an earlier training is none on these.
        if path.stat().st_mtime_ns < weights.stat().st_mtime_ns:
            return None
        verdict = json.loads(read_text(path))
    except (InvalidFile, OSError, ValueError):
        return None
    return verdict if isinstance(verdict, dict) else None
