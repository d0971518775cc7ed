"""The state and progress of a job, as the service reports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from service.jobs import JsonObject

if TYPE_CHECKING:
    from oneshot.search.result import Candidate

Status = TypeVar("Status", bound="JobStatus")

FINAL = ("done", "failed", "cancelled")
"""States in which a job remains."""


@dataclass(frozen=True)
class SearchProgress:
    """Progress of a search.

    Args:
        evaluated: Networks so far.
        planned: Networks at most.
        best: Greatest score so far.
        finalists: Progress of the trainings of the finalists; None before they begin.

    Example:
        >>> from service.client import SearchProgress
        >>> SearchProgress(evaluated=250, planned=1000, best=0.91).fraction
        0.25
    """

    evaluated: int
    planned: int
    best: float
    finalists: JobProgress | None = None

    @property
    def fraction(self) -> float:
        """Fraction that is done, from 0 to 1: of the search, and then of the trainings."""
        if self.finalists is not None:
            return self.finalists.fraction
        return min(self.evaluated / self.planned, 1.0) if self.planned else 0.0

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SearchProgress:
        """Read an answer of the service."""
        # Services of earlier versions have no finalists.
        finalists = value.get("finalists")
        return cls(
            value["evaluated"],
            value["planned"],
            value["best"],
            None if finalists is None else JobProgress.from_dict(finalists),
        )


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job other than a search.

    Args:
        fraction: Fraction of the stage that is done, from 0 to 1.
        stage: Title of the present activity of the job.
        state: Further text, such as the step and the loss.

    Example:
        >>> from service.client import JobProgress
        >>> JobProgress.from_dict({"share": 0.5, "stage": "training", "state": "epoch 15/30"})
        JobProgress(fraction=0.5, stage='training', state='epoch 15/30')
    """

    fraction: float
    stage: str
    state: str

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> JobProgress:
        """Read an answer of the service."""
        return cls(float(value.get("share", 0.0)), value.get("stage", ""), value.get("state", ""))


@dataclass(frozen=True)
class JobStatus:
    """A job as the service reports it.

    Args:
        id: Id of the job.
        kind: search, predictor, retrain or pipeline.
        state: queued, running, done, failed or cancelled.
        attempt: Number of times that it was begun.
        created: Time of the request, in ISO 8601.
        request: Request with its defaults filled in.
        details: JSON object of the progress, whose fields depend on the kind; None before the first
            report.
        result: JSON object of the result, of a search without the candidates; None before the job
            is done.
        error: JSON object with the kind and detail of the error; None unless the job failed.
        name: Name that `Client.label` gave it; None without one.
        tags: Tags that `Client.label` gave it.
        elapsed_s: Seconds since the present attempt began; None unless the job is running.
        remaining_s: Estimate of the seconds that it still takes; None where there is none yet, and
            for jobs of several stages.

    Example:
        >>> from service.client import JobStatus
        >>> status = JobStatus.from_dict(
        ...     {
        ...         "id": "5f0c",
        ...         "kind": "retrain",
        ...         "state": "running",
        ...         "attempt": 1,
        ...         "created": "2026-11-29T09:30:00.000+00:00",
        ...         "progress": {"share": 0.5, "stage": "training", "state": "epoch 15/30"},
        ...     }
        ... )
        >>> status.over, status.fraction
        (False, 0.5)
    """

    id: str
    kind: str
    state: str
    attempt: int
    created: str
    request: JsonObject
    details: JsonObject | None
    result: JsonObject | None
    error: JsonObject | None
    name: str | None = None
    tags: Sequence[str] = ()
    elapsed_s: float | None = None
    remaining_s: float | None = None

    @property
    def over(self) -> bool:
        """Whether the job remains in its state."""
        return self.state in FINAL

    @property
    def fraction(self) -> float | None:
        """Fraction of the job that is done, from 0 to 1; None before the first report."""
        if not self.details:
            return None
        if "planned" in self.details:
            return SearchProgress.from_dict(self.details).fraction
        return JobProgress.from_dict(self.details).fraction

    @property
    def reason(self) -> str:
        """Reason why the job failed, in one sentence; empty if it did not."""
        return str(self.error["detail"]) if self.error and "detail" in self.error else ""

    @classmethod
    def from_dict(cls: type[Status], value: Mapping[str, Any]) -> Status:
        """Read an answer of the service."""
        values: dict[str, Any] = {field.name: value.get(field.name) for field in fields(cls)}
        values["details"] = value.get("progress")
        values["request"] = value.get("request") or {}
        # Services of earlier versions have no tags.
        values["tags"] = tuple(value.get("tags") or ())
        return cls(**values)


@dataclass(frozen=True)
class SearchStatus(JobStatus):
    """A search as the service reports it; see `JobStatus` for the arguments.

    Example:
        >>> from service.client import SearchStatus
        >>> status = SearchStatus.from_dict(
        ...     {
        ...         "id": "5f0c",
        ...         "kind": "search",
        ...         "state": "running",
        ...         "attempt": 1,
        ...         "created": "2026-11-29T09:30:00.000+00:00",
        ...         "progress": {"evaluated": 250, "planned": 1000, "best": 0.91},
        ...     }
        ... )
        >>> status.progress
        SearchProgress(evaluated=250, planned=1000, best=0.91)
        >>> status.front
        []
    """

    @property
    def objectives(self) -> list[str]:
        """Costs that were traded for the score; empty before the search is done."""
        return list((self.result or {}).get("objectives", []))

    @property
    def best(self) -> list[Candidate]:
        """The best networks, as many as were requested; empty before the search is done."""
        return self._candidates("best")

    @property
    def front(self) -> list[Candidate]:
        """The networks that no other one beats in score and all objectives at once, best first.

        Empty before the search is done.
        """
        return self._candidates("front")

    def _candidates(self, field: str) -> list[Candidate]:
        from oneshot.search.result import Candidate
        from spaces.architecture import Architecture

        return [
            Candidate(
                Architecture.from_dict(candidate["architecture"]),
                candidate["score"],
                candidate["deviation"],
                candidate["costs"],
            )
            for candidate in (self.result or {}).get(field, [])
        ]

    @property
    def progress(self) -> SearchProgress | None:
        """Progress of the search; None before the first report."""
        return SearchProgress.from_dict(self.details) if self.details else None
