"""The events of jobs, each written in the transaction of the change that it records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import load_only

from service.jobs import JsonObject, UnknownJob
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
            find_job(session, job_id, owner, options=[load_only(JobRow.sequence)])
            return _read(session.connection(), job_id, after, limit)

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
            with self._database.querying() as connection:
                events = _read(connection, job_id, after, limit)
                # Many wait for each event, most of whom need no second query.
                return events, not events and _is_over(connection, job_id)

        # `any`: either there are events, or the job's state is final.
        return self._changes.wait_until(job_id, read, any, timeout, stop)[0]


# Built once: streams make these queries for every event. By the job's own numbers, which a client
# keeps; ids count the events of all jobs.
_EVENTS = (
    select(EventRow.number, EventRow.kind, EventRow.data, EventRow.created)
    .join(JobRow, JobRow.sequence == EventRow.job)
    .where(JobRow.id == bindparam("job_id"), EventRow.number > bindparam("after"))
    .order_by(EventRow.number)
    .limit(bindparam("limit"))
)
_STATE = select(JobRow.state).where(JobRow.id == bindparam("job_id"))
_RESULT = select(JobRow.result).where(JobRow.id == bindparam("job_id"))


def _read(connection: Connection, job_id: str, after: int, limit: int) -> Sequence[Event]:
    # PostgreSQL's texts cannot contain NUL, and no id contains one either.
    if "\0" in job_id:
        raise UnknownJob(job_id)
    values = {"job_id": job_id, "after": after, "limit": limit}
    events = [
        Event(row[0], row[1], row[2] or {}, row[3]) for row in connection.execute(_EVENTS, values)
    ]
    # A result is stored once, with its job, and may be large.
    if any(event.kind == "result" for event in events):
        result = connection.scalar(_RESULT, {"job_id": job_id}) or {}
        events = [
            replace(event, data=result) if event.kind == "result" else event for event in events
        ]
    return events


def _is_over(connection: Connection, job_id: str) -> bool:
    """Return whether a job has ended; raises UnknownJob."""
    state = connection.scalar(_STATE, {"job_id": job_id})
    if state is None:
        raise UnknownJob(job_id)
    return state.final
