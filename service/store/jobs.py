"""The one way in which jobs change: a row held by the transaction, and events that tell what became
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.jobs import LAWFUL, IllegalTransition, JobState, StaleAttempt, UnknownJob
from service.store.events import Told, append
from service.store.schema import JobRow


class Anyone(Enum):
    """Stands for every owner, nobody included."""

    ANY = "any"


ANY = Anyone.ANY
Owner = str | Anyone | None
"""A token's id, None for jobs that no token asked for, or ANY."""


def owned(query: Select[Any], owner: Owner) -> Select[Any]:
    """A query of jobs, narrowed to an owner's."""
    return (
        query
        if isinstance(owner, Anyone)
        else query.where(JobRow.owner.is_not_distinct_from(owner))
    )


def find(session: Session, job_id: str, owner: Owner = ANY, *, hold: bool = False) -> JobRow:
    """The row of a job, held until the transaction ends if wanted.

    Raises:
        UnknownJob: there is none of the owner.
    """
    query = owned(select(JobRow).where(JobRow.id == job_id), owner)
    # PostgreSQL's texts have no NUL, and no id has one either.
    row: JobRow | None = (
        None if "\0" in job_id else session.scalar(query.with_for_update() if hold else query)
    )
    if row is None:
        raise UnknownJob(job_id)
    return row


def held(
    session: Session, job_id: str, target: JobState, attempt: int | None, owner: Owner = ANY
) -> JobRow:
    """The row of a job that may become `target`, held so that nothing comes between this check and
    the write.

    Args:
        session: the transaction.
        job_id: the job's.
        target: the state that it is to pass into; running for a report of progress.
        attempt: the one that must be the job's; None where anyone may.
        owner: whose job it must be.

    Raises:
        UnknownJob: there is no such job of the owner.
        StaleAttempt: another attempt is the job's.
        IllegalTransition: its state does not allow it.
    """
    row = find(session, job_id, owner, hold=True)
    if attempt is not None and row.attempt != attempt:
        raise StaleAttempt(job_id, attempt, row.attempt)
    if target not in LAWFUL[row.state]:
        raise IllegalTransition(job_id, row.state, target)
    return row


def move(
    session: Session,
    row: JobRow,
    target: JobState,
    now: float,
    *,
    before: Sequence[Told] = (),
    told: dict[str, Any] | None = None,
    **values: Any,
) -> None:
    """Have a held job pass into another state.

    Args:
        session: the transaction.
        row: the job's, as `held` gives it.
        target: the state.
        now: seconds since 1970.
        before: events to tell before the state's.
        told: more that the state's event tells.
        values: columns to set.
    """
    row.state = target
    if target is JobState.RUNNING:
        row.attempt, row.started = row.attempt + 1, now
    if target.final:
        row.finished = now
    event = ("state", {"state": str(target), "attempt": row.attempt, **(told or {})})
    change(session, row, [*before, event], now, **values)


def change(
    session: Session, row: JobRow, events: Sequence[Told], now: float, **values: Any
) -> None:
    """Set columns of a held row, and write what is told of it."""
    row.events += len(events)
    for name, value in values.items():
        setattr(row, name, value)
    append(session, row.sequence, row.events, events, now)


def progress(
    session: Session, job_id: str, attempt: int, now: float, reported: dict[str, Any]
) -> None:
    """Record a running job's progress; raises as `held`."""
    row = find(session, job_id, hold=True)
    if row.attempt != attempt:
        raise StaleAttempt(job_id, attempt, row.attempt)
    if row.state is not JobState.RUNNING:
        raise IllegalTransition(job_id, row.state, JobState.RUNNING)
    change(session, row, [("progress", reported)], now, progress=reported)
