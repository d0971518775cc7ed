"""Attempt: one go at a job, in the process of a worker; whatever it does, the worker lives and
tells.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.artifacts import Artifacts
from service.kinds import get
from service.kinds.base import Cancelled, Context, Lost, Outcome, refusal
from spaces.errors import PathfitError


class Attempt:
    """One go at a job.

    Args:
        job_id: the job's.
        attempt: counts from 1.
        artifacts: where files of this attempt are kept.
        tell: takes a report of progress.
        cancelled: whether this go is to end.
    """

    def __init__(
        self,
        job_id: str,
        attempt: int,
        artifacts: Artifacts,
        tell: Callable[[dict[str, Any]], None],
        cancelled: Callable[[str, int], bool],
    ):
        self._head = {"job": job_id, "attempt": attempt}
        self._job_id, self._attempt, self._artifacts = job_id, attempt, artifacts
        self._tell, self._cancelled = tell, cancelled

    def run(self, kind: str, task: Mapping[str, Any]) -> dict[str, Any]:
        """Do the task; the last report on it."""
        try:
            with tempfile.TemporaryDirectory(
                prefix="pathfit-", ignore_cleanup_errors=True
            ) as folder:
                context = Context(self._job_id, self._attempt, Path(folder), self._artifacts, self)
                return self._done(get(kind).run(task, context))
        except Cancelled:
            return {**self._head, "event": "cancelled"}
        except Lost as lost:
            return {**self._head, "event": "lost", "ending": str(lost)}
        except PathfitError as error:
            return self._failed(error, refusal(str(error), tempfile.gettempdir()) or str(error))
        except BaseException as error:  # nothing else would tell of a thread's end
            refused = refusal(str(error), tempfile.gettempdir())
            if refused is None:
                sys.excepthook(*sys.exc_info())
            return self._failed(error, refused or f"internal error: {error}")

    def _done(self, outcome: Outcome) -> dict[str, Any]:
        written = {
            name: f"{self._job_id}/{self._attempt}/{name}"
            if content is None
            else self._artifacts.write(self._job_id, self._attempt, name, content)
            for name, content in outcome.artifacts.items()
        }
        first = next(iter(written.values()), None)
        return {**self._head, "event": "done", "result": outcome.result, "artifact": first}

    def _failed(self, error: BaseException, detail: str) -> dict[str, Any]:
        return {
            **self._head,
            "event": "failed",
            "error": {"kind": type(error).__name__, "detail": detail},
        }

    # What Context asks

    def progress(self, numbers: dict[str, Any]) -> None:
        """Take what is to be shown."""
        self._tell({**self._head, "event": "progress", "progress": numbers})

    def cancelled(self) -> bool:
        """Whether this go is to end."""
        return self._cancelled(self._job_id, self._attempt)
