"""The workers of an engine, the resources they occupy, and the assignment of jobs to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from service.engine.reports import Assignment, Ready
from service.engine.worker import Needs, Worker
from service.jobs import Job

_MAX_START_DELAY = 5.0

# Needs of the workers that are kept ready: those of a common job.
_STANDARD = Needs()


class WorkerPool:
    """The workers of an engine.

    Args:
        start: Starts a worker with the given needs.
        num_warm: Number of workers for jobs of one core that are kept ready.

    Attributes:
        room: Resources that all workers may occupy together.
        workers: The workers.
        failed_starts: Number of workers that died while starting since one became ready.
    """

    def __init__(self, start: Callable[[Needs], Worker], num_warm: int):
        self._start_worker = start
        self._num_warm = num_warm
        self.room = Needs(0, 0)
        self.workers: list[Worker] = []
        self.failed_starts = 0
        self._next_start = 0.0

    @property
    def assignments(self) -> Sequence[Assignment]:
        """The attempts that the workers run."""
        return [worker.assignment for worker in self.workers if worker.assignment is not None]

    @property
    def available(self) -> Needs:
        """Resources for a new job: the free ones and those of idle workers, who would yield."""
        available = self._free()
        for worker in self.workers:
            if worker.idle:
                available += worker.needs
        return available

    @property
    def idle(self) -> bool:
        """Whether there are workers, and none runs a job or is starting."""
        return bool(self.workers) and all(worker.idle for worker in self.workers)

    def _free(self) -> Needs:
        free = self.room
        for worker in self.workers:
            free -= worker.needs
        return free

    def find(self, assignment: Assignment) -> Worker | None:
        """Return the worker that runs an attempt."""
        return next((worker for worker in self.workers if worker.assignment == assignment), None)

    # Starting and ending workers

    def may_start(self) -> bool:
        """Return whether a worker may be started now.

        After workers that died while starting there is a delay, which doubles with each.
        """
        return time.monotonic() >= self._next_start

    def refill(self) -> None:
        """Start a worker if one of those to keep ready is missing.

        One at a time: importing torch keeps a processor core busy for seconds.
        """
        starting = any(not worker.ready for worker in self.workers)
        has_room = _STANDARD.fits(self._free())
        if self._is_short() and not starting and has_room and self.may_start():
            self._start(_STANDARD)

    def make_way(self) -> None:
        """End an idle worker of another kind if one of those to keep ready has no room."""
        # In the second case `refill` starts the missing worker.
        if not self._is_short() or _STANDARD.fits(self._free()):
            return

        for worker in self.workers:
            if worker.idle and worker.needs != _STANDARD:
                self._dismiss(worker)
                return

    def _is_short(self) -> bool:
        return sum(worker.needs == _STANDARD for worker in self.workers) < self._num_warm

    def assign(self, job: Job) -> None:
        """Assign a job to an idle worker, or to a new one in the place of idle ones."""
        needs = Needs.from_job(job)
        idle = [worker for worker in self.workers if worker.idle]
        worker = next((worker for worker in idle if worker.needs == needs), None)
        if worker is None:
            # An idle worker of other needs occupies room that this job could use; starting it again
            # takes seconds, so that no more of them end than necessary.
            for obstacle in idle:
                if needs.fits(self._free()):
                    break
                self._dismiss(obstacle)

            worker = self._start(needs)

        worker.run(job)

    def _dismiss(self, worker: Worker) -> None:
        worker.kill()
        self.workers.remove(worker)

    def mark_ready(self, worker: Worker, report: Ready) -> None:
        """Note that a worker can run jobs."""
        worker.ready = True
        worker.pid = report.pid
        # One success shows that workers can start again.
        self.failed_starts = 0

    def remove(self, worker: Worker) -> None:
        """Remove a worker that has died."""
        self.workers.remove(worker)
        # It never became ready, which would repeat at once and keep a core busy.
        if not worker.ready:
            self.failed_starts += 1
            delay = min(2.0 ** (self.failed_starts - 1), _MAX_START_DELAY)
            self._next_start = time.monotonic() + delay

    def kill_late(self) -> None:
        """Kill the workers that did not leave their cancelled jobs in time."""
        now = time.monotonic()
        for worker in self.workers:
            if worker.kill_at is not None and now >= worker.kill_at:
                worker.kill()

    def _start(self, needs: Needs) -> Worker:
        worker = self._start_worker(needs)
        self.workers.append(worker)
        return worker
