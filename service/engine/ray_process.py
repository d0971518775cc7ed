"""The process of a worker as a Ray actor."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import threading
from collections.abc import Callable
from typing import Any

from service.engine.reports import Assignment, Order, Ready, Report
from service.engine.worker import Needs, Worker
from spaces.plugins.loading import loaded_files

SILENCE = 45.0
"""Seconds without an answer after which a worker counts as dead; it answers every ten."""

START_LIMIT = 300.0
"""Seconds in which a worker must have started."""

Listener = Callable[[Worker, Report | None], None]
"""Receives every report of a worker, and None once when its process has died."""

# An order, a poll for reports and a request to cancel must not wait for one another.
_MAX_CALLS = 6

# Longest wait at once; while this process does not run, such as on a suspended machine, at most one
# passes.
_WAIT_STEP = 5.0

_EXIT_DETAIL = re.compile(r"exit detail: (.+?\.)(?:\s|$)")


class RayProcess:
    """The process of a worker.

    Args:
        worker: The worker.
        artifacts: URL of the artifacts.
        threads: Threads that torch uses.
        listener: Receives the worker's reports, in a thread of this process.
        is_local: Whether the process is on this machine.
    """

    def __init__(
        self, worker: Worker, artifacts: str, threads: int, listener: Listener, is_local: bool
    ):
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
        self._is_local = is_local
        self._pid: int | None = None
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
        # Ray asks the process to end, which one that hangs cannot.
        if self._is_local and self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def _send(self, call: Callable[[], object]) -> None:
        # A call fails if the process has died, which the listening thread reports.
        with contextlib.suppress(Exception):
            call()

    def _listen(self) -> None:

        try:
            ready: Ready = _get(self._actor.introduce.remote(), START_LIMIT)
            self._pid = ready.pid
            self._listener(self._worker, ready)
            while True:
                for report in _get(self._actor.reports.remote(), SILENCE):
                    self._listener(self._worker, report)
        except _Silent as silence:
            self._worker.ending = str(silence)
            self.kill()
        except Exception as error:
            self._worker.ending = _ending(str(error))
        self._listener(self._worker, None)


class _Silent(Exception):
    """A worker does not answer."""


def _get(reference: Any, limit: float) -> Any:
    """Wait for a worker's answer; raises _Silent if it does not come in time."""
    import ray
    from ray.exceptions import GetTimeoutError

    for _ in range(math.ceil(limit / _WAIT_STEP)):
        with contextlib.suppress(GetTimeoutError):
            return ray.get(reference, timeout=_WAIT_STEP)

    raise _Silent(f"did not answer for {limit:g} s and was killed")


def _ending(text: str) -> str:
    """Shorten Ray's description of an actor's death to its reason."""
    # Ray's text has a paragraph of hints for its own users before and after the reason.
    lines = text.strip().splitlines()
    reason = lines[-1] if lines else "for an unknown reason"
    detail = _EXIT_DETAIL.search(text)
    if detail is not None:
        reason = detail[1]
    return f"ended unexpectedly: {reason[:300]}"


def worker_factory(
    artifacts: str, threads: int, listener: Listener, is_local: bool
) -> Callable[[Needs], Worker]:
    """Return a function that starts workers on Ray; for the arguments see `RayProcess`."""
    return lambda needs: Worker(
        needs, lambda worker: RayProcess(worker, artifacts, threads, listener, is_local)
    )
