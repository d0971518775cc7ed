"""The process of a worker as a Ray actor."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from typing import Any

from service.engine.reports import Assignment, Order, Report
from service.engine.worker import Needs, Worker
from spaces.plugins.loading import loaded_files

Listener = Callable[[Worker, Report | None], None]
"""Receives every report of a worker, and None once when its process has died."""

# An order, a poll for reports and a request to cancel must not wait for one another.
_MAX_CALLS = 6

_EXIT_DETAIL = re.compile(r"exit detail: (.+?\.)(?:\s|$)")


class RayProcess:
    """The process of a worker.

    Args:
        worker: The worker.
        artifacts: URL of the artifacts.
        threads: Threads that torch uses.
        listener: Receives the worker's reports, in a thread of this process.
    """

    def __init__(self, worker: Worker, artifacts: str, threads: int, listener: Listener):
        import ray

        from service.engine.job_worker import JobWorker

        # The processes that a spread job starts occupy its resources, not this one.
        needs = Needs(0, 0) if worker.needs.spread else worker.needs
        actor_class: Any = ray.remote(JobWorker)
        actor_class = actor_class.options(
            num_cpus=needs.cpus, num_gpus=needs.gpus, max_concurrency=_MAX_CALLS, max_restarts=0
        )
        # Returns at once; the thread below notices when the process is ready, or that it never will
        # be.
        self._actor: Any = actor_class.remote(
            artifacts, threads, not worker.needs.spread, loaded_files()
        )
        self._worker = worker
        self._listener = listener
        threading.Thread(target=self._listen, name="worker", daemon=True).start()

    def run(self, order: Order) -> None:
        """Begin a job."""
        self._send(lambda: self._actor.run.remote(order))

    def cancel(self, assignment: Assignment) -> None:
        """Request that the process leaves an attempt."""
        self._send(lambda: self._actor.cancel.remote(assignment))

    def kill(self) -> None:
        """End the process at once, which the listener notices as its death."""
        import ray

        self._send(lambda: ray.kill(self._actor))

    def _send(self, call: Callable[[], object]) -> None:
        # A call fails if the process has died, which the listening thread reports.
        with contextlib.suppress(Exception):
            call()

    def _listen(self) -> None:
        import ray

        try:
            self._listener(self._worker, ray.get(self._actor.introduce.remote()))
            while True:
                for report in ray.get(self._actor.reports.remote()):
                    self._listener(self._worker, report)
        except Exception as error:
            self._worker.ending = _ending(str(error))
            self._listener(self._worker, None)


def _ending(text: str) -> str:
    """Shorten Ray's description of an actor's death to its reason."""
    # Ray's text has a paragraph of hints for its own users before and after the reason.
    lines = text.strip().splitlines()
    reason = lines[-1] if lines else "for an unknown reason"
    detail = _EXIT_DETAIL.search(text)
    if detail is not None:
        reason = detail[1]
    return f"ended unexpectedly: {reason[:300]}"


def worker_factory(artifacts: str, threads: int, listener: Listener) -> Callable[[Needs], Worker]:
    """Return a function that starts workers on Ray; for the arguments see `RayProcess`."""
    return lambda needs: Worker(
        needs, lambda worker: RayProcess(worker, artifacts, threads, listener)
    )
