"""Checkpoints of a tuner: the results so far, from which the strategy's state is rebuilt.

A strategy is determined by its seed and by the results that it has learned. Repeating them
therefore restores its exact state, whatever the strategy is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oneshot.errors import InvalidRun
from spaces.files import write_text

FILE = "pathfit_tuner.json"
"""Name of the checkpoint in NNI's folder of checkpoints."""


@dataclass
class TunerState:
    """Results that a tuner has received, in order.

    Args:
        settings: Strategy, options, seed and choices, which must be equal on resuming.
        events: `{"results": [score or None]}` for each completed batch, and `{"codes": [[code]],
            "scores": [score]}` for imported results.
        results: Scores of the present batch; None for an architecture without one.
    """

    settings: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    results: list[float | None] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the state to a JSON file."""
        write_text(path, json.dumps(asdict(self)) + "\n")

    def check(self, settings: Mapping[str, Any], path: Path | None) -> None:
        """Check that the state is of a search with these settings.

        Args:
            settings: Settings of the search that is resumed.
            path: File of the state, for messages.

        Raises:
            InvalidRun: A setting differs.
        """
        # By way of JSON, so that they equal those of the file.
        for name, value in json.loads(json.dumps(settings)).items():
            if self.settings.get(name) != value:
                raise InvalidRun(f"{path}: is of another search: {name} differs")

    @classmethod
    def read(cls, path: Path) -> TunerState:
        """Read the state from a JSON file.

        Raises:
            InvalidRun: The file is no checkpoint of a tuner.
        """
        try:
            value = json.loads(path.read_text())
            return cls(dict(value["settings"]), list(value["events"]), list(value["results"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRun(f"{path}: is no checkpoint of a tuner: {error}") from error
