"""What a client knows of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

S = TypeVar("S", bound="JobStatus")


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

    @property
    def share(self) -> float:
        """The share done, from 0 to 1."""
        return min(self.evaluated / self.planned, 1.0) if self.planned else 0.0


@dataclass(frozen=True)
class JobStatus:
    """A job as the service shows it.

    Args:
        id: its name at the service.
        kind: what is run: search, predictor or retrain.
        state: queued, running, done, failed or cancelled.
        attempt: how often it was begun.
        created: when it was asked for, in ISO 8601.
        request: as it was asked for, defaults filled in.
        details: of the progress, by kind; None before the first report.
        result: the JSON object of what was found, of a search without the candidates; None before it is done.
        error: why it failed.
    """

    id: str
    kind: str
    state: str
    attempt: int
    created: str
    request: dict[str, Any]
    details: dict[str, Any] | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def reason(self) -> str:
        """Why it failed, in one sentence; empty where it did not."""
        return str(self.error["detail"]) if self.error and "detail" in self.error else ""

    @classmethod
    def of(cls: type[S], value: Mapping[str, Any]) -> S:
        """Read what the service answers."""
        given: dict[str, Any] = {field.name: value.get(field.name) for field in fields(cls)}
        given |= {"details": value.get("progress"), "request": value.get("request") or {}}
        return cls(**given)


@dataclass(frozen=True)
class SearchStatus(JobStatus):
    """A search as the service shows it."""

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before the first report."""
        if not self.details:
            return None
        return Progress(**{field.name: self.details[field.name] for field in fields(Progress)})
