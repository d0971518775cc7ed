"""Worker: a process that runs jobs, as its engine sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from service.jobs import Job


@dataclass(frozen=True)
class Needs:
    """What a job occupies while it runs.

    Args:
        cpus: processor cores.
        gpus: GPUs; a fraction shares one.
        spread: whether processes that the job starts itself take it, wherever there is room, and
            not the worker's own.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    spread: bool = False

    @classmethod
    def of(cls, job: Job) -> Needs:
        """Of a job."""
        return cls(job.resources["cpus"], job.resources["gpus"], job.task.get("workers", 1) > 1)

    def __add__(self, other: Needs) -> Needs:
        return Needs(self.cpus + other.cpus, self.gpus + other.gpus)

    def __sub__(self, other: Needs) -> Needs:
        return Needs(self.cpus - other.cpus, self.gpus - other.gpus)

    def within(self, free: Needs) -> bool:
        """Whether there is room for it."""
        return self.cpus <= free.cpus + 1e-9 and self.gpus <= free.gpus + 1e-9


@dataclass(frozen=True)
class Assignment:
    """What a worker works on."""

    job_id: str
    attempt: int


class Process(Protocol):
    """What a Worker works with: Ray's, or a test's."""

    def run(self, order: dict[str, Any]) -> None:
        """Begin a job."""

    def cancel(self, job_id: str, attempt: int) -> None:
        """Ask it to leave a job."""

    def kill(self) -> None:
        """End it at once; it is told as a death."""


class Worker:
    """A worker's state; all of it is changed by the engine's thread alone.

    Args:
        needs: what it occupies.
        start: starts its process.
    """

    def __init__(self, needs: Needs, start: Callable[[Worker], Process]):
        self.needs = needs
        self.ready, self.pid = False, 0
        self.begun = time.monotonic()
        self.assignment: Assignment | None = None
        self.kill_at: float | None = None
        self.ending = "died"
        self._process = start(self)

    @property
    def idle(self) -> bool:
        """Whether it waits for work."""
        return self.ready and self.assignment is None

    def run(self, job: Job) -> None:
        """Have it run a job."""
        self.assignment = Assignment(job.id, job.attempt)
        self._process.run(
            {"kind": job.kind, "task": job.task, "job": job.id, "attempt": job.attempt}
        )

    def cancel(self, patience: float) -> None:
        """Ask it to leave its job; `kill_at` is when it has not."""
        if self.assignment is not None and self.kill_at is None:
            self.kill_at = time.monotonic() + patience
            self._process.cancel(self.assignment.job_id, self.assignment.attempt)

    def free(self) -> None:
        """It has left its job."""
        self.assignment, self.kill_at = None, None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
