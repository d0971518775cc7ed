"""Leases: an engine holds a job that it runs only as long as it reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from service.jobs import MAX_WORKER_CRASHES, Job, JobError, JobState, Resources
from service.store.changes import Changes
from service.store.database import Database
from service.store.rows import find_job, move
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
            job_id = claim_oldest(session, now, engine, lease_s, free)
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
            now = self._database.now(session)
            # The heartbeat of the engine itself, also if it runs no job.
            session.execute(update(EngineRow).where(EngineRow.id == engine).values(seen=now))
            if not held:
                return []

            of_engine = (JobRow.engine == engine, JobRow.state == JobState.RUNNING)
            in_held = tuple_(JobRow.id, JobRow.attempt).in_(list(held))
            rows = session.execute(
                update(JobRow)
                .where(*of_engine, in_held)
                .values(lease=now + lease_s)
                .returning(JobRow.id, JobRow.attempt),
                execution_options={"synchronize_session": False},
            )
            renewed = {(job_id, attempt) for job_id, attempt in rows}

        return [(job_id, attempt) for job_id, attempt in held if (job_id, attempt) not in renewed]

    def cancelled(self, engine: str) -> Sequence[Held]:
        """List the jobs that were cancelled while an engine ran them.

        A job is listed until its lease is over.
        """
        with self._database.reading() as session:
            query = select(JobRow.id, JobRow.attempt).where(
                JobRow.engine == engine,
                JobRow.state == JobState.CANCELLED,
                JobRow.lease > self._database.now(session),
            )
            return [(job_id, attempt) for job_id, attempt in session.execute(query)]

    def expire(self) -> int:
        """Queue the running jobs again whose lease is over, or fail those with too many crashes.

        Returns:
            Number of jobs whose lease was over.
        """
        # A query first: it does not block other processes, as a write would.
        with self._database.reading() as session:
            is_late = JobRow.lease < self._database.now(session)
            late = select(JobRow.id).where(JobRow.state == JobState.RUNNING, is_late)
            if session.scalar(late.limit(1)) is None:
                return 0

        with self._database.writing() as session:
            now = self._database.now(session)
            rows = _lock_running_jobs(session, JobRow.lease < now)
            for row in rows:
                _lose(session, row, now, "did not report in time")

        self._changes.notify()

        return len(rows)

    def recover(self, engine: str | None = None, ending: str | None = None) -> int:
        """Queue the jobs again at once that a dead engine was running.

        Args:
            engine: Id of the dead engine. None for every engine, as at the start of the only
                service of a data folder.
            ending: How the engine ended, such as `was killed by SIGKILL`, if its jobs may be to
                blame; it then counts as a crash of theirs. None if they are not.

        Returns:
            Number of jobs that it was running.
        """
        with self._database.writing() as session:
            now = self._database.now(session)
            conditions = [] if engine is None else [JobRow.engine == engine]
            rows = _lock_running_jobs(session, *conditions)
            for row in rows:
                if ending is None:
                    move(session, row, JobState.QUEUED, now, progress=None, lease=None)
                else:
                    _lose(session, row, now, ending)

        self._changes.notify()
        return len(rows)


def claim_oldest(
    session: Session, now: float, engine: str, lease_s: float, free: Resources | None
) -> str | None:
    """Claim a job inside a transaction, as `Leases.claim`, and return its id."""
    query = select(JobRow).where(JobRow.state == JobState.QUEUED)
    if free is not None:
        query = query.where(JobRow.cpus <= free.cpus, JobRow.gpus <= free.gpus)

    # Others that claim at the same time skip the row that this one locks (PostgreSQL; SQLite has
    # one writer).
    row = session.scalar(query.order_by(JobRow.sequence).limit(1).with_for_update(skip_locked=True))
    if row is None:
        return None

    move(session, row, JobState.RUNNING, now, progress=None, engine=engine, lease=now + lease_s)

    return row.id


def _lose(session: Session, row: JobRow, now: float, ending: str) -> None:
    """Queue a job again whose worker died, or fail it if too many workers died."""
    row.worker_crashes += 1
    # The crash is attributed to the job, as the engine cannot report the reason.
    if row.worker_crashes < MAX_WORKER_CRASHES:
        move(session, row, JobState.QUEUED, now, progress=None, lease=None)
        return
    error = JobError.from_crashes(ending).to_dict()
    move(session, row, JobState.FAILED, now, state_data={"error": error}, error=error, lease=None)


def _lock_running_jobs(session: Session, *conditions: Any) -> Sequence[JobRow]:
    # Rows that another process has locked are skipped: it is changing them itself.
    query = select(JobRow).where(JobRow.state == JobState.RUNNING, *conditions)
    locked = query.order_by(JobRow.sequence).with_for_update(skip_locked=True)
    return session.scalars(locked).all()
