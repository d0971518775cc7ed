"""The contract of a kind of job: its task, the context it runs in, and its outcome."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from service.artifacts import CHECKPOINT, UNWRITTEN, Artifacts, MissingArtifact
from service.catalog.files import FileReference
from service.jobs import JsonObject
from service.operation.scratch import location


class Cancelled(Exception):
    """The job was cancelled."""


class ProcessDied(Exception):
    """A process of the job died, as far as one can see not by the job's fault.

    The message describes how it ended.
    """


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job.

    Args:
        result: JSON object that the API answers.
        artifacts: Name -> content, or the file that has it, or None if the attempt has stored it
            already. The first one is the job's own.
    """

    result: JsonObject
    artifacts: Mapping[str, bytes | Path | None] = field(default_factory=dict)


@dataclass(frozen=True)
class HandedOver:
    """What an attempt needs from a device elsewhere before another attempt can end the job.

    Args:
        agent: Id of the agent that is to measure.
        measuring: What it is to measure, as `service.measuring.task` describes it.
        within_s: Seconds that the job waits for the agent; None: until it is cancelled.
    """

    agent: str
    measuring: JsonObject
    within_s: float | None


class Progress(Protocol):
    """Progress of a job."""

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""


class Reports(Protocol):
    """Receives the progress of an attempt, and has it end."""

    def progress(self, progress: Progress) -> None:
        """Take the progress; only the latest counts."""

    def cancelled(self) -> bool:
        """Return whether the attempt is to end."""


@dataclass(frozen=True)
class Context:
    """The surroundings of an attempt.

    Args:
        job_id: Id of the job.
        attempt: Number of the attempt, which counts from 1.
        folder: Folder for the attempt's own files, removed at its end.
        artifacts: Stores the files that outlive the attempt.
        reports: Receives the progress.
    """

    job_id: str
    attempt: int
    folder: Path
    artifacts: Artifacts
    reports: Reports

    def progress(self, progress: Progress) -> None:
        """Report progress, as often as convenient; raises Cancelled if the job was cancelled."""
        self.check_cancelled()
        self.reports.progress(progress)

    def check_cancelled(self) -> None:
        """Raise Cancelled if the job was cancelled."""
        if self.reports.cancelled():
            raise Cancelled

    def localize(self, reference: FileReference) -> FileReference:
        """Return a reference to a file of this machine.

        The path of a reference is that of the machine which accepted the job. Uploads are among the
        artifacts, which every node of a cluster reaches; other files have to be at the same path.

        Raises:
            ArtifactFailed: The upload cannot be read.
        """
        if reference.artifact is None or Path(reference.path).is_file():
            return reference
        path = self.artifacts.local(reference.artifact, self.folder / "uploads")
        return replace(reference, path=str(path))

    def store_checkpoint(self, path: Path) -> None:
        """Store a file for the attempts that may follow; raises ArtifactFailed."""
        self.artifacts.write(self.job_id, self.attempt, CHECKPOINT + path.name, path)

    def adopt_checkpoints(self, *names: str) -> None:
        """Copy the checkpoints of the latest earlier attempt that stored all of these names.

        The copies are this attempt's own: an earlier one that is over, but whose processes still
        live, cannot change them. Nothing happens if no attempt stored all of them.

        Raises:
            ArtifactFailed: A checkpoint cannot be read or written.
        """
        # Latest first; an attempt that ended before its first checkpoint has stored nothing.
        for attempt in range(self.attempt - 1, 0, -1):
            with suppress(MissingArtifact):
                # All are read before any is written, so that they are of one attempt.
                contents = [
                    self.artifacts.read(f"{self.job_id}/{attempt}/{CHECKPOINT}{name}")
                    for name in names
                ]
                for name, content in zip(names, contents, strict=True):
                    self.artifacts.write(self.job_id, self.attempt, CHECKPOINT + name, content)
                return

    def restore_checkpoint(self, path: Path) -> bool:
        """Write the checkpoint of a file's name to that file, and return whether there is one."""
        name = CHECKPOINT + path.name
        try:
            content = self.artifacts.read(f"{self.job_id}/{self.attempt}/{name}")
        except MissingArtifact:
            return False

        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

        return True


# The system's words for a full or read-only file system, which every library passes on.
_REFUSALS = [
    os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
]
_UNWRITABLE = "cannot write in "


def explain_refused_write(message: str) -> str | None:
    """Explain an error that arose because the file system refused to write a job's own files.

    Args:
        message: Message of the error, of whichever library.

    Returns:
        A sentence that names the folder and the remedy; None for any other error, and for a message
        that explains itself already.
    """
    reason = next((words for words in _REFUSALS if words in message), None)
    if reason is None or message.startswith((UNWRITTEN, _UNWRITABLE)):
        return None

    folder, setting = location()
    return (
        f"{_UNWRITABLE}{folder}, where jobs have their own files: {reason}; {setting} sets the"
        " place"
    )


class JobKind(Protocol):
    """A kind of job that workers can run."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome | HandedOver:
        """Run a task, to its end or until a device elsewhere has to measure.

        Args:
            task: Task of the job.
            context: Receives the progress, and has the attempt end if the job was cancelled.

        Raises:
            PathfitError: The task cannot be done; the message is the job's error.
            Cancelled: The job was cancelled.
            ProcessDied: One of its processes died; the job is run again.
        """
