"""Events: what happened to a job, in order, written in the transaction of the change that they
tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.store.schema import EventRow, JobRow

Told = tuple[str, dict[str, Any] | None]
"""An event's kind and data, before it is written."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Args:
        sequence: counts the job's events from 1, without gaps.
        kind: `state`, `progress` or `result`.
        data: `{"state", "attempt"}` (and `error` where it failed), the progress, or the result.
        created: seconds since 1970.
    """

    sequence: int
    kind: str
    data: dict[str, Any]
    created: float


def append(session: Session, job: int, last: int, told: Sequence[Told], now: float) -> None:
    """Write events of a job whose row this transaction has changed.

    Args:
        session: the transaction.
        job: the row's `sequence`.
        last: the row's `events`, which counts these already.
        told: what happened, in order.
        now: seconds since 1970.
    """
    first = last - len(told) + 1
    session.add_all(
        EventRow(job=job, number=first + index, kind=kind, data=data, created=now)
        for index, (kind, data) in enumerate(told)
    )


def read(session: Session, job: JobRow, after: int, limit: int) -> list[Event]:
    """Events of a job behind the one of a number, oldest first."""
    query = select(EventRow).where(EventRow.job == job.sequence, EventRow.number > after)
    rows = session.scalars(query.order_by(EventRow.number).limit(limit)).all()
    # A result is kept once, with its job.
    data = [job.result if row.kind == "result" else row.data for row in rows]
    return [
        Event(row.number, row.kind, told or {}, row.created)
        for row, told in zip(rows, data, strict=True)
    ]


def changed(session: Session, last: int | None) -> tuple[int, list[str]]:
    """The last event of all jobs, and the jobs that have events behind the one of a number.

    Every change of a job writes an event. On PostgreSQL one may be missed: numbers are given before
    they are seen.
    """
    if last is None:
        return session.scalar(select(func.max(EventRow.id))) or 0, []
    query = (
        select(EventRow.id, JobRow.id)
        .join(JobRow, JobRow.sequence == EventRow.job)
        .where(EventRow.id > last)
    )
    rows = session.execute(query).all()
    return max((number for number, _ in rows), default=last), list({job for _, job in rows})
