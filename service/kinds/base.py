"""JobKind: what a worker does with the task of a job, and what it is given to do it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from service.artifacts import UNWRITTEN, Artifacts, MissingArtifact


class Cancelled(Exception):
    """The job is no longer wanted."""


class Lost(Exception):
    """A process of the job has died, and not for the job's fault as far as one can tell; the text
    says how it ended.
    """


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Args:
        result: the JSON object that the API answers.
        artifacts: name -> content, or the file that holds it, or None where it is kept already; the
            first one is the job's own.
    """

    result: dict[str, Any]
    artifacts: Mapping[str, bytes | Path | None] = field(default_factory=dict)


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
        """Tell how far the job is, as often as is handy; raises Cancelled where it is no longer
        wanted.
        """
        self.check_cancelled()
        self.reports.progress(numbers)

    def check_cancelled(self) -> None:
        """Raise Cancelled where the job is no longer wanted."""
        if self.reports.cancelled():
            raise Cancelled

    def keep(self, path: Path) -> None:
        """Keep a file for the attempts that may follow this one; raises ArtifactFailed."""
        self.artifacts.write(self.job_id, self.attempt, f"kept-{path.name}", path)

    def adopt(self, *names: str) -> None:
        """Take over what the last attempt before this one kept that kept all of these; nothing
        where none did.

        What this attempt has then is its own: one that is over, but whose processes still live,
        cannot change it.

        Raises:
            ArtifactFailed: it cannot be read or written.
        """
        for attempt in range(self.attempt - 1, 0, -1):
            with suppress(MissingArtifact):
                found = [
                    self.artifacts.read(f"{self.job_id}/{attempt}/kept-{name}") for name in names
                ]
                for name, content in zip(names, found, strict=True):
                    self.artifacts.write(self.job_id, self.attempt, f"kept-{name}", content)
                return

    def kept(self, path: Path) -> bool:
        """Put what this attempt kept or adopted under a file's name in its place; whether there was
        anything.
        """
        try:
            found = self.artifacts.read(f"{self.job_id}/{self.attempt}/kept-{path.name}")
        except MissingArtifact:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found)
        return True


_REFUSALS = [
    os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
]
_UNWRITABLE = "cannot write in "


def refusal(said: str, folder: str | Path) -> str | None:
    """A sentence where an error is that a file system did not let a job write its own files; else
    None.

    Args:
        said: the error's text, of whichever library: they all pass on the system's words.
        folder: of the job's own files.
    """
    reason = next((words for words in _REFUSALS if words in said), None)
    if reason is None or said.startswith((UNWRITTEN, _UNWRITABLE)):  # all is said
        return None
    return (
        f"{_UNWRITABLE}{folder}, where jobs have their own files: {reason}; TMPDIR sets the place"
    )


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
            Lost: one of its processes died; the job is to be run again.
        """
