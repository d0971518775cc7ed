"""A worker as its engine sees it: a process that runs one job at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from service.engine.reports import Assignment, Order
from service.jobs import Job

# Sums of fractional GPUs are inexact in binary.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Needs:
    """Resources that a job occupies while it runs.

    Args:
        cpus: Processor cores.
        gpus: GPUs; a fraction shares one.
        spread: Whether processes that the job starts occupy them, on any node with room, rather
            than the worker's own process.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    spread: bool = False

    @classmethod
    def from_job(cls, job: Job) -> Needs:
        """Return the needs of a job; one of several training processes is spread."""
        # Tasks of other kinds have no field `workers`.
        spread = job.task.get("workers", 1) > 1
        return cls(job.resources.cpus, job.resources.gpus, spread)

    def __add__(self, other: Needs) -> Needs:
        return Needs(self.cpus + other.cpus, self.gpus + other.gpus)

    def __sub__(self, other: Needs) -> Needs:
        return Needs(self.cpus - other.cpus, self.gpus - other.gpus)

    def fits(self, free: Needs) -> bool:
        """Return whether free resources suffice."""
        return self.cpus <= free.cpus + _TOLERANCE and self.gpus <= free.gpus + _TOLERANCE


class Process(Protocol):
    """The process of a worker: one of Ray's, or a test's."""

    def run(self, order: Order) -> None:
        """Begin a job."""

    def cancel(self, assignment: Assignment) -> None:
        """Request that the process leaves an attempt."""

    def kill(self) -> None:
        """End the process at once, which the engine notices as its death."""


class Worker:
    """State of a worker; only the engine's thread changes it.

    Args:
        needs: Resources that the worker occupies.
        start: Starts the worker's process.

    Attributes:
        ready: Whether the process can run jobs.
        pid: Id of the process; 0 before it is ready.
        assignment: Attempt that the worker runs; None if it runs none.
        kill_at: Time of the monotonic clock at which a cancelled worker is killed; None if it is
            not cancelled.
        ending: How the process ended, once it has.
    """

    def __init__(self, needs: Needs, start: Callable[[Worker], Process]):
        self.needs = needs
        self.ready = False
        self.pid = 0
        self.assignment: Assignment | None = None
        self.kill_at: float | None = None
        self.ending = "died"
        self._process = start(self)

    @property
    def idle(self) -> bool:
        """Whether the worker is ready and runs no job."""
        return self.ready and self.assignment is None

    def run(self, job: Job) -> None:
        """Begin a job."""
        self.assignment = Assignment(job.id, job.attempt)
        self._process.run(Order(self.assignment, job.kind, job.task))

    def cancel(self, patience: float) -> None:
        """Request that the worker leaves its job; it is due to be killed after the patience.

        Args:
            patience: Seconds.
        """
        # Once: a second request must not extend the patience.
        if self.assignment is not None and self.kill_at is None:
            self.kill_at = time.monotonic() + patience
            self._process.cancel(self.assignment)

    def release(self) -> None:
        """Note that the worker has left its job."""
        self.assignment = None
        self.kill_at = None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
