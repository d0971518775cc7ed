"""The journal of trials: what is done is not done again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from predictor.errors import InvalidJournal
from spaces.files import read_text


class TrialJournal:
    """JSON lines of a key and figures; an interruption costs at most the last line.

    Args:
        path: the file; None: nothing is kept.
        settings: of the trials; lines of other settings are left alone.

    Raises:
        InvalidJournal: a line but the last cannot be read.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]):
        self.path, self.settings = path, dict(settings)
        self.done: dict[tuple[Any, ...], dict[str, float]] = {}
        lines = read_text(path).split("\n") if path is not None and path.exists() else []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                key, figures, same = (
                    tuple(entry["trial"]),
                    dict(entry["figures"]),
                    entry["settings"] == self.settings,
                )
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):  # torn off
                    continue
                raise InvalidJournal(
                    f"{path}, line {number}: no trial of `predictor bench`"
                ) from error
            if same:
                self.done[key] = figures
        self._torn = bool(lines) and bool(lines[-1].strip())

    def append(self, key: tuple[Any, ...], figures: dict[str, float]) -> None:
        """Add one trial and see it to the disk."""
        self.done[key] = figures
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"settings": self.settings, "trial": list(key), "figures": figures})
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(("\n" if self._torn else "") + line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._torn = False
