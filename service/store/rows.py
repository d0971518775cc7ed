"""The rows of jobs inside a transaction: finding one, locking one, and changing a locked one.

Every change of a job's course passes through `move` or `change`, so that it cannot happen without
its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption

from service.jobs import (
    LAWFUL,
    MAX_INTERRUPTIONS,
    IllegalTransition,
    JobError,
    JobState,
    JsonObject,
    StaleAttempt,
    UnknownJob,
)
from service.store.labels import join_tags, storable
from service.store.schema import EventRow, JobRow

NewEvent = tuple[str, JsonObject | None]
"""Kind and data of an event before it is written."""


class Anyone(Enum):
    """Represents every owner, including none."""

    ANY = "any"


ANY = Anyone.ANY
Owner = str | Anyone | None
"""Id of a token, None for jobs that were requested without a token, or ANY."""


def owned(query: Select[Any], owner: Owner) -> Select[Any]:
    """Narrow a query of jobs to those of an owner."""
    if isinstance(owner, Anyone):
        return query
    return query.where(JobRow.owner.is_not_distinct_from(owner))


def label_conditions(tag: str | None, text: str | None) -> list[ColumnElement[bool]]:
    """Return the conditions that jobs have a tag, and contain every word of a text.

    Args:
        tag: Tag; None for no condition.
        text: Words in any order; None for no condition.
    """
    conditions = []
    if tag is not None:
        conditions.append(JobRow.tags.contains(join_tags([tag]), autoescape=True))

    words = storable(text).casefold().split() if text is not None else []
    for word in words:
        # By its beginning at least, an id is typed or pasted rather than a word of the request.
        is_id = JobRow.id.startswith(word, autoescape=True)
        conditions.append(or_(JobRow.words.contains(word, autoescape=True), is_id))

    return conditions


def find_job(
    session: Session,
    job_id: str,
    owner: Owner = ANY,
    *,
    lock: bool = False,
    options: Sequence[ExecutableOption] = (),
) -> JobRow:
    """Find the row of a job.

    Args:
        session: The transaction.
        job_id: Id of the job.
        owner: Owner that the job must have.
        lock: Whether to lock the row until the transaction ends.
        options: Options of the query, such as columns that are to be read only when they are used.

    Raises:
        UnknownJob: The owner has no such job.
    """
    query = owned(select(JobRow).where(JobRow.id == job_id), owner)
    query = query.options(*options)
    # PostgreSQL's texts cannot contain NUL, and no id contains one either.
    row: JobRow | None = None
    if "\0" not in job_id:
        row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise UnknownJob(job_id)

    return row


def lock_for_transition(
    session: Session, job_id: str, target: JobState, attempt: int | None, owner: Owner = ANY
) -> JobRow:
    """Lock the row of a job that may pass into a state, so that it still may at the write.

    Args:
        session: The transaction.
        job_id: Id of the job.
        target: State that the job is to pass into.
        attempt: Attempt that the job must be at; None for any.
        owner: Owner that the job must have.

    Raises:
        UnknownJob: The owner has no such job.
        StaleAttempt: The job is at another attempt.
        IllegalTransition: The job's state does not allow the transition.
    """
    row = find_job(session, job_id, owner, lock=True)
    if attempt is not None and row.attempt != attempt:
        raise StaleAttempt(job_id, attempt, row.attempt)
    if target not in LAWFUL[row.state]:
        raise IllegalTransition(job_id, row.state, target)
    return row


def lock_running(session: Session, job_id: str, attempt: int) -> JobRow:
    """Lock the row of a job that an attempt runs; raises as `lock_for_transition`."""
    row = find_job(session, job_id, lock=True)
    if row.attempt != attempt:
        raise StaleAttempt(job_id, attempt, row.attempt)
    if row.state is not JobState.RUNNING:
        raise IllegalTransition(job_id, row.state, JobState.RUNNING)
    return row


def move(
    session: Session,
    row: JobRow,
    target: JobState,
    now: float,
    *,
    events_before: Sequence[NewEvent] = (),
    state_data: JsonObject | None = None,
    **columns: Any,
) -> None:
    """Pass a locked job into another state.

    Args:
        session: The transaction.
        row: Row of the job, locked.
        target: The new state.
        now: Seconds since 1970.
        events_before: Events to write before that of the state.
        state_data: Further data of the state's event; None for none.
        columns: Columns to set.
    """
    row.state = target
    if target is JobState.RUNNING:
        row.attempt += 1
        row.started = now

    if target.final:
        row.finished = now

    # After the attempt was counted: the event has the number of the attempt that begins.
    state_event = ("state", {"state": str(target), "attempt": row.attempt, **(state_data or {})})
    change(session, row, [*events_before, state_event], now, **columns)
    if target.final:
        _prune_progress(session, row)


def _prune_progress(session: Session, row: JobRow) -> None:
    """Remove all progress of an ended job but the last, which nobody will follow any more."""
    session.flush()
    is_progress = (EventRow.job == row.sequence, EventRow.kind == "progress")
    last = session.scalar(select(func.max(EventRow.number)).where(*is_progress))
    if last is not None:
        session.execute(
            delete(EventRow).where(*is_progress, EventRow.number < last),
            execution_options={"synchronize_session": False},
        )


def interrupt(session: Session, row: JobRow, now: float, reason: str) -> None:
    """Queue a locked running job again whose attempt was interrupted, or fail it after too many.

    Args:
        session: The transaction.
        row: Row of the job, locked.
        now: Seconds since 1970.
        reason: Why the attempt has ended, through no fault of the job.
    """
    # The events count them; a job has few of this kind.
    query = select(EventRow.data).where(EventRow.job == row.sequence, EventRow.kind == "state")
    earlier = sum("interrupted" in (data or {}) for data in session.scalars(query))
    cause: JsonObject = {"interrupted": reason}

    if earlier + 1 < MAX_INTERRUPTIONS:
        move(session, row, JobState.QUEUED, now, state_data=cause, progress=None, lease=None)
        return

    error = JobError.from_interruptions(reason).to_dict()
    move(session, row, JobState.FAILED, now, state_data={"error": error}, error=error, lease=None)


def change(
    session: Session, row: JobRow, events: Sequence[NewEvent], now: float, **columns: Any
) -> None:
    """Set columns of a locked job, and write the events that record it."""
    # The number is counted in the locked row of the job, so that the numbers have no gaps.
    first = row.events + 1
    row.events += len(events)
    for name, value in columns.items():
        setattr(row, name, value)

    session.add_all(
        EventRow(job=row.sequence, number=first + index, kind=kind, data=data, created=now)
        for index, (kind, data) in enumerate(events)
    )
