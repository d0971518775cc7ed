"""One attempt at a job in the process of a worker, which survives whatever the attempt does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.artifacts import Artifacts
from service.engine.reports import (
    Assignment,
    Done,
    Failed,
    FinalReport,
    Handed,
    LostProcess,
    Progressed,
    Stopped,
)
from service.jobs import JobError
from service.kinds import get
from service.kinds.base import (
    Cancelled,
    Context,
    HandedOver,
    Outcome,
    ProcessDied,
    Progress,
    explain_refused_write,
)
from service.operation.scratch import attempt_name, temporary_folder
from spaces.errors import PathfitError


class Attempt:
    """One attempt at a job.

    Args:
        assignment: The job and the number of the attempt.
        artifacts: Stores the files of the attempt.
        report: Receives the progress.
        is_cancelled: Whether the attempt is to end.
    """

    def __init__(
        self,
        assignment: Assignment,
        artifacts: Artifacts,
        report: Callable[[Progressed], None],
        is_cancelled: Callable[[Assignment], bool],
    ):
        self._assignment = assignment
        self._artifacts = artifacts
        self._report = report
        self._is_cancelled = is_cancelled

    def run(self, kind: str, task: Mapping[str, Any]) -> FinalReport:
        """Run a task, and return its final report; no error of the task is raised."""
        try:
            job_id = self._assignment.job_id
            attempt = self._assignment.attempt
            with temporary_folder(attempt_name(job_id, attempt)) as folder:
                context = Context(job_id, attempt, folder, self._artifacts, self)
                outcome = get(kind).run(task, context)
                if isinstance(outcome, HandedOver):
                    needs = (outcome.agent, outcome.measuring, outcome.within_s)
                    return Handed(self._assignment, *needs)
                return self._done(outcome)
        except Cancelled:
            return Stopped(self._assignment)
        # Not a failure: the same task may succeed in other processes.
        except ProcessDied as death:
            return LostProcess(self._assignment, str(death))
        except PathfitError as error:
            refusal = explain_refused_write(str(error))
            return self._failed(error, refusal or str(error))
        # Every other error too: the end of a thread would be reported by nothing else.
        except BaseException as error:
            refusal = explain_refused_write(str(error))
            # A full disk is the operator's problem; any other error is a fault of ours and needs
            # its traceback.
            if refusal is None:
                sys.excepthook(*sys.exc_info())
            return self._failed(error, refusal or f"internal error: {error}")

    def _done(self, outcome: Outcome) -> Done:
        paths = [self._store(name, content) for name, content in outcome.artifacts.items()]
        # The first artifact is the job's own, by the contract of `Outcome`.
        return Done(self._assignment, outcome.result, paths[0] if paths else None)

    def _store(self, name: str, content: bytes | Path | None) -> str:
        """Store an artifact, unless the attempt has stored it already, and return its path."""
        job_id = self._assignment.job_id
        attempt = self._assignment.attempt
        if content is None:
            return f"{job_id}/{attempt}/{name}"
        return self._artifacts.write(job_id, attempt, name, content)

    def _failed(self, error: BaseException, detail: str) -> Failed:
        return Failed(self._assignment, JobError(type(error).__name__, detail))

    # The reports of `Context`

    def progress(self, progress: Progress) -> None:
        """Report progress."""
        self._report(Progressed(self._assignment, progress.to_dict()))

    def cancelled(self) -> bool:
        """Return whether the attempt is to end."""
        return self._is_cancelled(self._assignment)
