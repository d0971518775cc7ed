"""The program of a worker's process, a Ray actor."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from service.engine.reports import (
    Assignment,
    Done,
    FinalReport,
    Handed,
    Order,
    Progressed,
    Ready,
    Report,
)
from spaces import __version__

REPORT_INTERVAL = 0.25
"""Seconds between two reports of progress, and from the begin of a job to the first."""

_LONGEST_POLL = 10.0


class JobWorker:
    """Runs one job at a time in a thread, while other threads receive calls and answer them.

    Args:
        artifacts: URL of the artifacts.
        threads: Threads that torch uses unless a task sets another number.
        warm: Whether to import the modules of searches ahead. A worker whose jobs run in other
            processes needs none of them.
        plugins: Files of plug-ins to load, which the jobs may name.

    Raises:
        InvalidPlugin: A file is missing on this machine, or fails.
    """

    def __init__(
        self, artifacts: str, threads: int = 1, warm: bool = True, plugins: Sequence[str] = ()
    ):
        from service.artifacts import Artifacts
        from spaces.plugins.loading import load_file

        for path in plugins:
            load_file(path)

        if warm:
            import torch

            from service.kinds.search import warm_up

            torch.set_num_threads(threads)
            warm_up()

        self._artifacts = Artifacts(artifacts)
        self._changed = threading.Condition()
        self._progress: Progressed | None = None
        self._final: list[FinalReport] = []
        self._last_report = 0.0
        self._cancelled: set[Assignment] = set()

    def introduce(self) -> Ready:
        """Report that the worker can run jobs."""
        return Ready(os.getpid(), platform.node(), __version__)

    def run(self, order: Order) -> None:
        """Begin a job."""
        # A job that ends sooner reports no progress before its end: each report costs the engine a
        # call, and the store a transaction.
        self._last_report = time.monotonic()
        # In a thread, so that this call returns and `cancel` and `reports` are answered meanwhile.
        threading.Thread(target=self._run, args=(order,), daemon=True).start()

    def cancel(self, assignment: Assignment) -> None:
        """Have an attempt end when it next checks whether it is cancelled."""
        self._cancelled.add(assignment)

    def reports(self, timeout: float = _LONGEST_POLL) -> Sequence[Report]:
        """Wait for reports, and return them as soon as there are any.

        Of progress only the latest is returned, at most once per `REPORT_INTERVAL`.

        Args:
            timeout: Seconds to wait at most.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            # A final report is returned at once.
            while not self._final and time.monotonic() < deadline:
                until_next_report = self._last_report + REPORT_INTERVAL - time.monotonic()
                if self._progress is None:
                    self._changed.wait(deadline - time.monotonic())
                elif until_next_report > 0:
                    self._changed.wait(until_next_report)
                else:
                    break

            reports: list[Report] = [] if self._progress is None else [self._progress]
            reports += self._final
            self._progress = None
            self._final = []

            # The interval counts from the return, so that a slow engine gets no more reports.
            self._last_report = time.monotonic()

        return reports

    def _run(self, order: Order) -> None:
        from service.engine.attempt import Attempt

        attempt = Attempt(
            order.assignment, self._artifacts, self._note_progress, self._cancelled.__contains__
        )
        final = attempt.run(order.kind, order.task)
        with self._changed:
            # The end of a job and its last progress are recorded together.
            if isinstance(final, Done | Handed) and self._progress is not None:
                final = replace(final, progress=self._progress.progress)
                self._progress = None

            self._final.append(final)

            # The next attempt at the same job has another number; the set must not grow.
            self._cancelled.discard(order.assignment)
            self._changed.notify_all()

    def _note_progress(self, report: Progressed) -> None:
        with self._changed:
            # Replaces an unsent report: only the latest progress matters.
            self._progress = report
            self._changed.notify_all()
