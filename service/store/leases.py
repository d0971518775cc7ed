"""Leases: an engine holds a job that it runs only as long as it reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, tuple_, update
from sqlalchemy.orm import Session

from service.jobs import Job, JobState, Resources
from service.store.changes import Changes
from service.store.database import Database
from service.store.rows import find_job, interrupt, move
from service.store.schema import EngineRow, JobRow

LEASE = 10.0
"""Seconds for which a job is its engine's without a heartbeat."""

Held = tuple[str, int]
"""A job's id and the attempt that runs it."""


class Leases:
    """The leases of a store's running jobs.

    Args:
        database: Has the jobs with their leases.
        changes: Wakes those who wait for a job.
    """

    def __init__(self, database: Database, changes: Changes):
        self._database = database
        self._changes = changes

    def claim(
        self, engine: str, lease_s: float = LEASE, free: Resources | None = None
    ) -> Job | None:
        """Begin the next attempt of the oldest queued job that fits.

        Args:
            engine: Id of the engine that begins it.
            lease_s: Seconds for which the job is that engine's without a heartbeat.
            free: Resources that are free. None takes any job.

        Returns:
            The running job; None if no queued job fits.
        """
        with self._database.writing() as session:
            now = self._database.now(session)
            lease = self._database.ticks(session) + lease_s
            job_id = claim_oldest(session, now, engine, lease, free)
            job = None if job_id is None else find_job(session, job_id).job()

        if job is not None:
            self._changes.notify(job.id)

        return job

    def renew(self, engine: str, held: Sequence[Held], lease_s: float = LEASE) -> Sequence[Held]:
        """Renew the leases of an engine.

        Args:
            engine: Id of the engine.
            held: Id and attempt of the jobs that it runs.
            lease_s: Seconds from now for which they remain its own.

        Returns:
            Those of `held` that are no longer its own: cancelled, or queued again meanwhile.
        """
        with self._database.writing() as session:
            ticks = self._database.ticks(session)
            # The heartbeat of the engine itself, also if it runs no job.
            session.execute(update(EngineRow).where(EngineRow.id == engine).values(seen=ticks))
            if not held:
                return []

            own = select(JobRow).where(
                JobRow.engine == engine,
                JobRow.state == JobState.RUNNING,
                tuple_(JobRow.id, JobRow.attempt).in_(list(held)),
            )
            ids = session.execute(own.with_only_columns(JobRow.id, JobRow.attempt))
            running = {(job_id, attempt) for job_id, attempt in ids}

            # A row that another transaction has locked must not hold up the heartbeat.
            unlocked = own.with_only_columns(JobRow.sequence).with_for_update(skip_locked=True)
            session.execute(
                update(JobRow).where(JobRow.sequence.in_(unlocked)).values(lease=ticks + lease_s),
                execution_options={"synchronize_session": False},
            )

        return [(job_id, attempt) for job_id, attempt in held if (job_id, attempt) not in running]

    def cancelled(self, engine: str) -> Sequence[Held]:
        """List the jobs that were cancelled while an engine ran them.

        A job is listed until its lease is over.
        """
        with self._database.reading() as session:
            query = select(JobRow.id, JobRow.attempt).where(
                JobRow.engine == engine,
                JobRow.state == JobState.CANCELLED,
                JobRow.lease > self._database.ticks(session),
            )
            return [(job_id, attempt) for job_id, attempt in session.execute(query)]

    def expire(self, engine: str | None = None, held: Sequence[Held] = ()) -> int:
        """Queue the running jobs again that nobody runs.

        They are those of other engines whose lease is over, and those of this engine that it does
        not know of: the answer to its claim was lost. A lease of its own may be over because the
        store has stalled, which ends no job.

        Args:
            engine: Id of the engine that asks; None if none does.
            held: Id and attempt of the jobs that it runs.

        Returns:
            Number of jobs that nobody ran.
        """
        # A query first: it does not block other processes, as a write would.
        with self._database.reading() as session:
            condition = self._is_abandoned(session, engine, held)
            late = select(JobRow.id).where(JobRow.state == JobState.RUNNING, condition)
            if session.scalar(late.limit(1)) is None:
                return 0

        with self._database.writing() as session:
            now = self._database.now(session)
            rows = _lock_running_jobs(session, self._is_abandoned(session, engine, held))
            for row in rows:
                if row.engine == engine:
                    # It was never begun.
                    move(session, row, JobState.QUEUED, now, progress=None, lease=None)
                else:
                    interrupt(session, row, now, "its engine has not reported in time")

        self._changes.notify()

        return len(rows)

    def _is_abandoned(
        self, session: Session, engine: str | None, held: Sequence[Held]
    ) -> ColumnElement[bool]:
        is_late = JobRow.lease < self._database.ticks(session)
        if engine is None:
            return is_late

        is_unheld = JobRow.engine == engine
        if held:
            is_unheld &= tuple_(JobRow.id, JobRow.attempt).not_in(list(held))
        return or_(and_(is_late, JobRow.engine.is_distinct_from(engine)), is_unheld)

    def recover(self, engine: str | None = None, reason: str | None = None) -> int:
        """Queue the jobs again at once that an engine was running.

        Args:
            engine: Id of the engine, which has ended. None for every engine, as at the start of the
                only service of a store.
            reason: How the engine ended, such as `the engine was killed by SIGKILL`; a job that was
                interrupted too often fails. None if it was stopped in order.

        Returns:
            Number of jobs that it was running.
        """
        with self._database.writing() as session:
            now = self._database.now(session)
            # Agents outlive a service that starts again: they hold their jobs while they report.
            is_held = JobRow.agent.is_(None) if engine is None else JobRow.engine == engine
            rows = _lock_running_jobs(session, is_held)
            for row in rows:
                if reason is None:
                    move(session, row, JobState.QUEUED, now, progress=None, lease=None)
                else:
                    interrupt(session, row, now, reason)

        self._changes.notify()
        return len(rows)


def claim_oldest(
    session: Session, now: float, engine: str, lease: float, free: Resources | None
) -> str | None:
    """Claim a job inside a transaction, as `Leases.claim`, and return its id."""
    # Those with an agent are measured elsewhere; see `service.store.agents`.
    query = select(JobRow).where(JobRow.state == JobState.QUEUED, JobRow.agent.is_(None))
    if free is not None:
        query = query.where(JobRow.cpus <= free.cpus, JobRow.gpus <= free.gpus)

    # Others that claim at the same time skip the row that this one locks (PostgreSQL; SQLite has
    # one writer).
    row = session.scalar(query.order_by(JobRow.sequence).limit(1).with_for_update(skip_locked=True))
    if row is None:
        return None

    move(session, row, JobState.RUNNING, now, progress=None, engine=engine, lease=lease)

    return row.id


def _lock_running_jobs(session: Session, *conditions: Any) -> Sequence[JobRow]:
    # Rows that another process has locked are skipped: it is changing them itself.
    query = select(JobRow).where(JobRow.state == JobState.RUNNING, *conditions)
    locked = query.order_by(JobRow.sequence).with_for_update(skip_locked=True)
    return session.scalars(locked).all()
