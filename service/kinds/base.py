"""JobKind: what a worker does with the task of a job, and what it is given to do it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from service.artifacts import Artifacts, MissingArtifact


class Cancelled(Exception):
    """The job is no longer wanted."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Args:
        result: the JSON object that the API answers.
        artifacts: name -> content, or the file that holds it; the first one is the job's own.
    """

    result: dict[str, Any]
    artifacts: Mapping[str, bytes | Path] = field(default_factory=dict)


class Reports(Protocol):
    """Hears of an attempt while it runs."""

    def progress(self, numbers: dict[str, Any]) -> None:
        """Take what is to be shown; only the newest counts."""

    def cancelled(self) -> bool:
        """Whether the attempt is to end."""


@dataclass(frozen=True)
class Context:
    """What an attempt is run in.

    Args:
        job_id: the job's.
        attempt: counts from 1.
        folder: scratch of this attempt, removed at its end.
        artifacts: where what outlives the attempt is kept.
        reports: told how far it is.
    """

    job_id: str
    attempt: int
    folder: Path
    artifacts: Artifacts
    reports: Reports

    def progress(self, numbers: dict[str, Any]) -> None:
        """Tell how far the job is, as often as is handy; raises Cancelled where it is no longer wanted."""
        self.check_cancelled()
        self.reports.progress(numbers)

    def check_cancelled(self) -> None:
        """Raise Cancelled where the job is no longer wanted."""
        if self.reports.cancelled():
            raise Cancelled

    def keep(self, path: Path) -> None:
        """Keep a file for the attempts that may follow this one; raises ArtifactFailed."""
        self.artifacts.write(self.job_id, self.attempt, f"kept-{path.name}", path)

    def kept(self, path: Path) -> bool:
        """Put the file that an earlier attempt kept under this name in place; whether there was one."""
        for attempt in range(self.attempt - 1, 0, -1):
            with suppress(MissingArtifact):
                found = self.artifacts.read(f"{self.job_id}/{attempt}/kept-{path.name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(found)
                return True
        return False


class JobKind(Protocol):
    """Something that workers can do."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Do a task.

        Args:
            task: as the job has it.
            context: told how far it is; says when it is to end.

        Raises:
            PathfitError: it cannot be done; the sentence is the job's error.
            Cancelled: as asked.
        """
