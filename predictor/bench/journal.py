"""The journal of trials, so that an interrupted comparison resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from predictor.errors import InvalidJournal
from spaces.files import JsonLines


class TrialJournal:
    """A file of JSON lines with the key and the figures of each trial.

    An interruption costs at most the last line.

    Args:
        path: The file. None: trials are not stored.
        settings: Settings of the trials. Lines with other settings are ignored and preserved.

    Raises:
        InvalidJournal: A line before the last cannot be read.
        InvalidFile: The file cannot be read, or it is compressed.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]):
        self.settings = dict(settings)
        self.done: dict[tuple[Any, ...], dict[str, float]] = {}
        self._lines = None if path is None else JsonLines(path)
        if self._lines is None:
            return

        # A file that no trial can be added to is refused before the first trial.
        self._lines.repair()

        for number, line in self._lines.lines():
            try:
                entry = json.loads(line)
                key = tuple(entry["trial"])
                figures = dict(entry["figures"])
                has_same_settings = entry["settings"] == self.settings
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidJournal(
                    f"{path}, line {number}: no trial of `predictor bench`"
                ) from error

            # One journal may hold comparisons of several settings.
            if has_same_settings:
                self.done[key] = figures

    def append(self, key: tuple[Any, ...], figures: dict[str, float]) -> None:
        """Add the figures of one trial and wait until they are on the disk."""
        self.done[key] = figures
        if self._lines is None:
            return
        trial = {"settings": self.settings, "trial": list(key), "figures": figures}
        self._lines.append(json.dumps(trial))
