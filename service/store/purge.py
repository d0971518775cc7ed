"""Purging: what is over and old is removed, so that a store does not grow for ever."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.jobs import JobState
from service.store.idempotency import KEPT
from service.store.schema import EventRow, IdempotencyRow, JobRow, SessionRow

_FINAL = [state for state in JobState if state.final]


def finished(session: Session, before: float) -> list[str]:
    """Ids of the jobs that ended before a time, oldest first."""
    query = select(JobRow.id).where(JobRow.state.in_(_FINAL), JobRow.finished < before)
    return list(session.scalars(query.order_by(JobRow.sequence)))


def remove(session: Session, ids: Sequence[str]) -> int:
    """Remove jobs that are over, with their events and keys; gives how many."""
    query = select(JobRow.sequence).where(JobRow.id.in_(ids), JobRow.state.in_(_FINAL))
    rows = list(session.scalars(query.with_for_update()))
    for row, column in (
        (EventRow, EventRow.job),
        (IdempotencyRow, IdempotencyRow.job),
        (JobRow, JobRow.sequence),
    ):
        session.execute(
            delete(row).where(column.in_(rows)), execution_options={"synchronize_session": False}
        )
    return len(rows)


def tidy(session: Session, now: float) -> None:
    """Drop keys and browser sessions whose time is over."""
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.created <= now - KEPT))
    session.execute(delete(SessionRow).where(SessionRow.expires <= now))
