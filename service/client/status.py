"""What a client knows of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from oneshot.search.result import Candidate

S = TypeVar("S", bound="JobStatus")

FINAL = ("done", "failed", "cancelled")
"""States after which nothing more happens to a job."""


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

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Progress:
        """Read what the service answers."""
        return cls(**{field.name: value[field.name] for field in fields(cls)})


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
        result: the JSON object of what was found, of a search without the candidates; None before
            it is done.
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
        return self.state in FINAL

    @property
    def share(self) -> float | None:
        """The share done, from 0 to 1; None before the first report."""
        if not self.details:
            return None
        if "planned" in self.details:
            return Progress.of(self.details).share
        return float(self.details.get("share", 0.0))

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
    def objectives(self) -> list[str]:
        """The costs that were traded for the score; empty before it is done."""
        return list((self.result or {}).get("objectives", []))

    @property
    def best(self) -> list[Candidate]:
        """The best networks, as many as were asked for; empty before it is done."""
        return self._candidates("best")

    @property
    def front(self) -> list[Candidate]:
        """The networks that no other beats in score and all objectives at once, best first; empty
        before it is done.
        """
        return self._candidates("front")

    def _candidates(self, part: str) -> list[Candidate]:
        from oneshot.search.result import Candidate
        from spaces.architecture import Architecture

        return [
            Candidate(
                Architecture.from_dict(found["architecture"]),
                found["score"],
                found["deviation"],
                found["costs"],
            )
            for found in (self.result or {}).get(part, [])
        ]

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before the first report."""
        return Progress.of(self.details) if self.details else None
