"""The events of jobs, each written in the transaction of the change that it records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from service.jobs import JsonObject
from service.store.changes import Changes, Stop
from service.store.database import Database
from service.store.rows import ANY, Owner, find_job
from service.store.schema import EventRow, JobRow


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Args:
        sequence: Number of the event, which counts the job's events from 1. When the job ends, all
            progress but the last is removed, so that numbers are missing then.
        kind: `state`, `progress` or `result`.
        data: `{"state", "attempt"}` (and `error` of a failed job, or `interrupted`, why an attempt
            has ended and the job is queued again), the progress, or the result.
        created: Seconds since 1970.
    """

    sequence: int
    kind: str
    data: JsonObject
    created: float


class Events:
    """The events of a store's jobs.

    Args:
        database: Has the events.
        changes: Wakes those who wait for an event.
    """

    def __init__(self, database: Database, changes: Changes):
        self._database = database
        self._changes = changes

    def list(
        self, job_id: str, after: int = 0, limit: int = 1000, owner: Owner = ANY
    ) -> Sequence[Event]:
        """List events of a job, oldest first.

        Args:
            job_id: Id of the job.
            after: Number of the last event that the reader has.
            limit: Number of events at most.
            owner: Owner that the job must have.

        Raises:
            UnknownJob: The owner has no such job.
        """
        with self._database.reading() as session:
            return _read(session, find_job(session, job_id, owner), after, limit)

    def wait(
        self,
        job_id: str,
        after: int,
        timeout: float,
        stop: Stop | None = None,
        limit: int = 1000,
    ) -> Sequence[Event]:
        """Wait for events of a job, and list them as soon as there are any.

        Args:
            job_id: Id of the job.
            after: Number of the last event that the reader has.
            timeout: Seconds to wait at most.
            stop: Ends the wait when it is set. None never does.
            limit: Number of events at most.

        Returns:
            The events; none if the job is over, or the wait has ended without one.

        Raises:
            UnknownJob: There is no such job.
        """

        def read() -> tuple[Sequence[Event], bool]:
            with self._database.reading() as session:
                # The result, which may be large, only if its event is among those to be read.
                job = find_job(session, job_id, options=[load_only(JobRow.sequence, JobRow.state)])
                return _read(session, job, after, limit), job.state.final

        # `any`: either there are events, or the job's state is final.
        return self._changes.wait_until(job_id, read, any, timeout, stop)[0]


def _read(session: Session, job: JobRow, after: int, limit: int) -> Sequence[Event]:
    # By the job's own numbers, which a client keeps; ids count the events of all jobs.
    query = select(EventRow).where(EventRow.job == job.sequence, EventRow.number > after)
    rows = session.scalars(query.order_by(EventRow.number).limit(limit)).all()
    return [Event(row.number, row.kind, _data_of(row, job), row.created) for row in rows]


def _data_of(row: EventRow, job: JobRow) -> JsonObject:
    # A result is stored once, with its job.
    data = job.result if row.kind == "result" else row.data
    return data or {}
