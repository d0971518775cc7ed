"""Crew: the workers of an engine, what they occupy, and who gets which job."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.engine.worker import Assignment, Needs, Worker
from service.jobs import Job

_SLOWEST_RESTART = 5.0


class Crew:
    """The workers of an engine.

    Args:
        make: starts one.
        warm: workers for jobs of one core that are kept ready.
    """

    def __init__(self, make: Callable[[Needs], Worker], warm: int):
        self._make, self._warm = make, warm
        self.room = Needs(0, 0)
        self.workers: list[Worker] = []
        self.failed_starts = 0
        self._next_start = 0.0

    @property
    def held(self) -> list[tuple[str, int]]:
        """Id and attempt of the jobs that are run."""
        return [
            (held.job_id, held.attempt)
            for worker in self.workers
            if (held := worker.assignment) is not None
        ]

    @property
    def available(self) -> Needs:
        """What a job may take: the room that nobody has, and that of idle workers, who would make
        room.
        """
        free = self._free()
        for worker in self.workers:
            if worker.idle:
                free += worker.needs
        return free

    @property
    def idle(self) -> bool:
        """Whether there are workers, and all wait for work."""
        return bool(self.workers) and all(worker.idle for worker in self.workers)

    def _free(self) -> Needs:
        free = self.room
        for worker in self.workers:
            free -= worker.needs
        return free

    def on(self, job_id: str, attempt: int) -> Worker | None:
        """Who runs an attempt."""
        wanted = Assignment(job_id, attempt)
        return next((worker for worker in self.workers if worker.assignment == wanted), None)

    # Coming and going

    def may_start(self) -> bool:
        """Whether a worker may be started now: those that die while starting are not replaced at
        once.
        """
        return time.monotonic() >= self._next_start

    def refill(self) -> None:
        """Start a worker where one that is to be kept ready is missing; one at a time, for starting
        is hard work.
        """
        starting = any(not worker.ready for worker in self.workers)
        if self._missing() and not starting and Needs().within(self._free()) and self.may_start():
            self._start(Needs())

    def make_way(self) -> None:
        """End a worker of another kind that has nothing to do, where one that is to be kept ready
        has no room.
        """
        if self._missing() and not Needs().within(self._free()):
            for idle in [
                worker for worker in self.workers if worker.idle and worker.needs != Needs()
            ][:1]:
                self._dismiss(idle)

    def _missing(self) -> bool:
        return sum(worker.needs == Needs() for worker in self.workers) < self._warm

    def give(self, job: Job) -> None:
        """Have a worker run a job: one that is ready for it, or a new one in the place of
        others.
        """
        needs = Needs.of(job)
        worker = next((one for one in self.workers if one.idle and one.needs == needs), None)
        if worker is None:
            for idle in [one for one in self.workers if one.idle]:
                if needs.within(self._free()):
                    break
                self._dismiss(idle)
            worker = self._start(needs)
        worker.run(job)

    def _dismiss(self, worker: Worker) -> None:
        worker.kill()
        self.workers.remove(worker)

    def welcome(self, worker: Worker, pid: int) -> None:
        """A worker can work."""
        worker.ready, worker.pid, self.failed_starts = True, pid, 0

    def bury(self, worker: Worker) -> None:
        """A worker has died."""
        self.workers.remove(worker)
        if not worker.ready:
            self.failed_starts += 1
            self._next_start = time.monotonic() + min(
                2.0 ** (self.failed_starts - 1), _SLOWEST_RESTART
            )

    def kill_late(self) -> None:
        """End those that did not leave their jobs in time."""
        now = time.monotonic()
        for worker in self.workers:
            if worker.kill_at is not None and now >= worker.kill_at:
                worker.kill()

    def _start(self, needs: Needs) -> Worker:
        worker = self._make(needs)
        self.workers.append(worker)
        return worker
