"""JobWorker: what runs in the process of a worker."""

from __future__ import annotations

import os
import platform
import threading
import time
from typing import Any

from spaces import __version__

REPORT_INTERVAL = 0.1
"""Seconds between two reports of progress."""

_LONGEST_POLL = 10.0


class JobWorker:
    """Runs in a process of its own: one job at a time, in a thread, while other threads hear and
    tell of it.

    Args:
        artifacts: URL of the place of artifacts.
        threads: that torch may use unless a task says otherwise.
        warm: whether to be ready for searches; else for jobs whose work is done in other processes.
    """

    def __init__(self, artifacts: str, threads: int = 1, warm: bool = True):
        from service.artifacts import Artifacts

        if warm:
            import torch

            from service.kinds.search import warm_up

            torch.set_num_threads(threads)
            warm_up()
        self._artifacts = Artifacts(artifacts)
        self._changed = threading.Condition()
        self._progress: dict[str, Any] | None = None
        self._final: list[dict[str, Any]] = []
        self._told = 0.0
        self._cancelled: set[tuple[str, int]] = set()

    def introduce(self) -> dict[str, Any]:
        """Who this is, once it can work."""
        return {
            "event": "ready",
            "pid": os.getpid(),
            "node": platform.node(),
            "version": __version__,
        }

    def run(self, order: dict[str, Any]) -> None:
        """Begin a job."""
        threading.Thread(target=self._run, args=(order,), daemon=True).start()

    def cancel(self, job_id: str, attempt: int) -> None:
        """Have a job end at its next look."""
        self._cancelled.add((job_id, attempt))

    def reports(self, timeout: float = _LONGEST_POLL) -> list[dict[str, Any]]:
        """What is new, as soon as there is anything; of progress the newest only, and not too
        often.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._final and time.monotonic() < deadline:
                if self._progress is None:
                    self._changed.wait(deadline - time.monotonic())
                elif (early := self._told + REPORT_INTERVAL - time.monotonic()) > 0:
                    self._changed.wait(early)
                else:
                    break
            found = [] if self._progress is None else [self._progress]
            found += self._final
            self._progress, self._final, self._told = None, [], time.monotonic()
        return found

    def _run(self, order: dict[str, Any]) -> None:
        from service.engine.attempt import Attempt

        attempt = Attempt(
            order["job"], order["attempt"], self._artifacts, self._tell_progress, self._is_cancelled
        )
        final = attempt.run(order["kind"], order["task"])
        with self._changed:
            self._final.append(final)
            self._cancelled.discard((order["job"], order["attempt"]))
            self._changed.notify_all()

    def _tell_progress(self, report: dict[str, Any]) -> None:
        with self._changed:
            self._progress = report
            self._changed.notify_all()

    def _is_cancelled(self, job_id: str, attempt: int) -> bool:
        return (job_id, attempt) in self._cancelled
