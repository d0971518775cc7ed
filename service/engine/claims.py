"""Claiming jobs: as many as there is room for, and no claim that would be useless."""

from __future__ import annotations

from collections.abc import Callable

from service.engine.schedule import Schedule
from service.engine.worker import Needs
from service.engine.worker_pool import WorkerPool
from service.jobs import JobError, Resources
from service.store import Store

# Seconds after which the queue is looked at though nothing announced a job.
_LOOK_INTERVAL = 2.0
_CLAIM_INTERVAL = 1.0


class Claims:
    """Claims queued jobs for the workers of an engine.

    Args:
        store: Has the jobs.
        name: Id of the engine in the store.
        pool: The workers, which are assigned the jobs.
        alone: Whether a job that never fits here will fit nowhere: there is no other engine, and
            the room does not grow.
        record: Calls a write of the store that may come too late, as `Engine` does.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        pool: WorkerPool,
        alone: bool,
        record: Callable[..., None],
    ):
        self._store = store
        self._name = name
        self._pool = pool
        self._alone = alone
        self._record = record
        self._schedule = Schedule()
        self._unclaimable: object = None

        # Whether jobs were queued, or room for one has become free, since the last claim.
        self._may_have_work = True

    def notice_change(self) -> None:
        """Have the queue looked at, since a job has changed; any thread may call this."""
        self._may_have_work = True

    def expect_room(self) -> None:
        """Have the queue looked at again, since a worker has become free."""
        self._unclaimable = None
        self._may_have_work = True

    def claim(self) -> None:
        """Claim the jobs for which there is room, if there may be any."""
        # Looked for from time to time as well, should a notification be lost.
        if not self._may_have_work and not self._schedule.is_due("queue", _LOOK_INTERVAL):
            return

        self._may_have_work = False
        while self._pool.may_start():
            free = self._pool.available
            # A claim is a write, for which SQLite has one lock: useless ones are avoided.
            if (free.cpus <= 0 and free.gpus <= 0) or not self._may_claim():
                return

            job = self._store.leases.claim(self._name, free=Resources(free.cpus, free.gpus))
            if job is None:
                self._refuse_oversized()
                return

            self._unclaimable = None
            self._pool.assign(job)

    def _refuse_oversized(self) -> None:
        """Fail a job that does not fit though no other runs, unless another engine may run it."""
        if not (self._alone and self._pool.idle):
            return

        job = self._store.leases.claim(self._name)
        if job is None:
            return

        needs = Needs.from_job(job)
        room = self._pool.room
        # A job that fits was queued after the claim before this one.
        if needs.fits(room):
            self._pool.assign(job)
            return

        detail = (
            f"the job needs {needs.cpus:g} CPUs and {needs.gpus:g} GPUs; the service has"
            f" {room.cpus:g} and {room.gpus:g}"
        )
        self._record(self._store.jobs.fail, job.id, job.attempt, JobError("NoRoom", detail))

    def _may_claim(self) -> bool:
        """Return whether a queued job may be worth a claim, which is a write.

        It is not while the queue is the one of which no job fitted last time; then one claim per
        `_CLAIM_INTERVAL` is made all the same.
        """
        queue_state = self._store.jobs.queue_state()
        if queue_state is None:
            return False

        is_known = queue_state == self._unclaimable
        if is_known and not self._schedule.is_due("claim", _CLAIM_INTERVAL):
            return False

        self._unclaimable = queue_state

        return True
