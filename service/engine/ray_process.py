"""RayProcess: a worker's process as Ray has it, an actor."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from typing import Any

from service.engine.worker import Needs, Worker

Hear = Callable[[Worker, "dict[str, Any] | None"], None]
"""Told every report of a worker, and None once when it has died."""

_THREADS = 6  # a job's begin, its reports and its cancelling are heard at once
_DETAIL = re.compile(r"exit detail: (.+?\.)(?:\s|$)")


class RayProcess:
    """The process of a worker.

    Args:
        worker: whose process it is.
        artifacts: URL of the place of artifacts.
        threads: that torch may use.
        hear: told its reports, from a thread of their own.
    """

    def __init__(self, worker: Worker, artifacts: str, threads: int, hear: Hear):
        import ray

        from service.engine.job_worker import JobWorker

        made: Any = ray.remote(JobWorker)
        own = Needs(0, 0) if worker.needs.spread else worker.needs
        made = made.options(
            num_cpus=own.cpus, num_gpus=own.gpus, max_concurrency=_THREADS, max_restarts=0
        )
        self._actor: Any = made.remote(artifacts, threads, not worker.needs.spread)
        self._worker, self._hear = worker, hear
        threading.Thread(target=self._listen, name="worker", daemon=True).start()

    def run(self, order: dict[str, Any]) -> None:
        """Begin a job."""
        self._send(lambda: self._actor.run.remote(order))

    def cancel(self, job_id: str, attempt: int) -> None:
        """Ask it to leave a job."""
        self._send(lambda: self._actor.cancel.remote(job_id, attempt))

    def kill(self) -> None:
        """End it at once; it is told as a death."""
        import ray

        self._send(lambda: ray.kill(self._actor))

    def _send(self, what: Callable[[], object]) -> None:
        with contextlib.suppress(Exception):  # it has died; the listener tells
            what()

    def _listen(self) -> None:
        import ray

        try:
            self._hear(self._worker, ray.get(self._actor.introduce.remote()))
            while True:
                for report in ray.get(self._actor.reports.remote()):
                    self._hear(self._worker, report)
        except Exception as error:
            self._worker.ending = _ending(str(error))
            self._hear(self._worker, None)


def _ending(text: str) -> str:
    """Ray's many words on a death in a few."""
    detail = _DETAIL.search(text)
    said = (
        detail[1]
        if detail
        else text.strip().splitlines()[-1]
        if text.strip()
        else "for an unknown reason"
    )
    return f"ended unexpectedly: {said[:300]}"


def starter(artifacts: str, threads: int, hear: Hear) -> Callable[[Needs], Worker]:
    """Starts workers on Ray."""
    return lambda needs: Worker(needs, lambda worker: RayProcess(worker, artifacts, threads, hear))
