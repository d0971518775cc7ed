"""WorkerProcess: a worker as its engine sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.jobs import Job

Hear = Callable[["WorkerProcess", dict[str, Any] | None], None]
"""Told every report of a worker, and None once when it has died."""


@dataclass(frozen=True)
class Assignment:
    """What a worker works on."""

    job_id: str
    attempt: int


class WorkerProcess:
    """A running `python -m service.engine.worker`.

    Args:
        threads: that torch may use.
        hear: told its reports, from a thread of their own.
    """

    def __init__(self, threads: int, hear: Hear):
        self.ready = False
        self.assignment: Assignment | None = None
        self.kill_at: float | None = None
        command = [sys.executable, "-m", "service.engine.worker", "--threads", str(threads)]
        # More threads than these would slow each other down, and may change the last digit of a result.
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        environment = {**os.environ, **limits}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, encoding="utf-8"
        )
        self._hear = hear
        self._listener = threading.Thread(target=self._listen, name=f"worker {self.pid}", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def idle(self) -> bool:
        """Whether it waits for work."""
        return self.ready and self.assignment is None

    def run(self, job: Job, artifact: str) -> None:
        """Have it run a job."""
        self.assignment = Assignment(job.id, job.attempt)
        self._send({"run": job.task, "job": job.id, "attempt": job.attempt, "artifact": artifact})

    def cancel(self, patience: float) -> None:
        """Ask it to leave its job; `kill_at` is when it has not."""
        assert self.assignment is not None
        self.kill_at = time.monotonic() + patience
        self._send({"cancel": self.assignment.job_id, "attempt": self.assignment.attempt})

    def free(self) -> None:
        """It has left its job."""
        self.assignment, self.kill_at = None, None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def ending(self) -> str:
        """How the process ended, once it has."""
        code = self._process.wait()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def close(self) -> None:
        """Wait for the process's end and let go of its pipes."""
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:  # an order that it died before reading
                continue

    def _send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it has died; the listener tells

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                report = json.loads(line)
            except json.JSONDecodeError:
                continue  # the half line of one that was killed while writing
            self._hear(self, report)
        self._hear(self, None)
