"""What a client knows of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a search is.

    Args:
        evaluated: networks so far.
        planned: networks at most.
        best: the greatest score so far.
    """

    evaluated: int
    planned: int
    best: float


@dataclass(frozen=True)
class SearchStatus:
    """A search as the service shows it.

    Args:
        id: its name at the service.
        state: queued, running, done, failed or cancelled.
        attempt: how often it was begun.
        progress: None before the first report.
        result: the JSON object of what was found, without the candidates; None before it is done.
        error: why it failed.
    """

    id: str
    state: str
    attempt: int
    progress: Progress | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> SearchStatus:
        """Read what the service answers."""
        progress = value["progress"] and Progress(**value["progress"])
        return cls(**{key: value[key] for key in ("id", "state", "attempt", "result", "error")}, progress=progress)
