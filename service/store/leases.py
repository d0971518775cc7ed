"""Leases: an engine holds the jobs that it runs only for as long as it reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from service.jobs import MOST_DEATHS, JobState
from service.store.jobs import move
from service.store.schema import EngineRow, JobRow

LEASE = 10.0
"""Seconds for which a job is its engine's without a word from that."""

Held = tuple[str, int]
"""A job's id and the attempt that runs it."""


def claim(
    session: Session, now: float, engine: str, lease_s: float, fits: Mapping[str, float] | None
) -> str | None:
    """Begin the next attempt of the oldest queued job that fits; its id.

    Args:
        session: the transaction.
        now: seconds since 1970.
        engine: who begins it.
        lease_s: seconds for which it is that engine's.
        fits: `cpus` and `gpus` that are free; None where any job may be taken.
    """
    query = select(JobRow).where(JobRow.state == JobState.QUEUED)
    for name, free in (fits or {}).items():
        query = query.where({"cpus": JobRow.cpus, "gpus": JobRow.gpus}[name] <= free)
    # Others that claim at the same time pass over what this one is taking (PostgreSQL; SQLite has
    # one writer).
    row = session.scalar(query.order_by(JobRow.sequence).limit(1).with_for_update(skip_locked=True))
    if row is None:
        return None
    move(session, row, JobState.RUNNING, now, progress=None, engine=engine, lease=now + lease_s)
    return row.id


def renew(
    session: Session, now: float, engine: str, held: Sequence[Held], lease_s: float
) -> list[Held]:
    """Prolong an engine's leases; gives those of `held` that it has lost."""
    session.execute(update(EngineRow).where(EngineRow.id == engine).values(seen=now))
    if not held:
        return []
    ours = (JobRow.engine == engine, JobRow.state == JobState.RUNNING)
    statement = update(JobRow).where(*ours, tuple_(JobRow.id, JobRow.attempt).in_(list(held)))
    renewed = session.execute(
        statement.values(lease=now + lease_s).returning(JobRow.id, JobRow.attempt),
        execution_options={"synchronize_session": False},
    )
    kept = {(job_id, attempt) for job_id, attempt in renewed}
    return [pair for pair in map(_pair, held) if pair not in kept]


def cancelled(session: Session, now: float, engine: str) -> list[Held]:
    """Jobs that were cancelled while an engine held them, until their leases are over."""
    query = select(JobRow.id, JobRow.attempt).where(
        JobRow.engine == engine, JobRow.state == JobState.CANCELLED
    )
    return [
        (job_id, attempt) for job_id, attempt in session.execute(query.where(JobRow.lease > now))
    ]


def overdue(session: Session, now: float) -> bool:
    """Whether any running job's lease is over."""
    late = select(JobRow.id).where(JobRow.state == JobState.RUNNING, JobRow.lease < now)
    return session.scalar(late.limit(1)) is not None


def expire(session: Session, now: float) -> int:
    """Take running jobs whose lease is over from their engines; gives how many."""
    rows = _running(session, JobRow.lease < now)
    for row in rows:
        lose(session, row, now, "did not report in time")
    return len(rows)


def take_back(session: Session, now: float, engine: str | None, ending: str | None) -> int:
    """Take an engine's running jobs from it, everyone's where it is None; gives how many.

    Args:
        session: the transaction.
        now: seconds since 1970.
        engine: the engine that is dead.
        ending: how it ended, where the jobs may be to blame for it.
    """
    rows = _running(session) if engine is None else _running(session, JobRow.engine == engine)
    for row in rows:
        if ending is None:
            move(session, row, JobState.QUEUED, now, progress=None, lease=None)
        else:
            lose(session, row, now, ending)
    return len(rows)


def lose(session: Session, row: JobRow, now: float, ending: str) -> None:
    """Queue a job again whose worker died; one on which too many died has failed."""
    row.deaths += 1
    if row.deaths < MOST_DEATHS:
        move(session, row, JobState.QUEUED, now, progress=None, lease=None)
        return
    error = {
        "kind": "WorkerDied",
        "detail": f"{MOST_DEATHS} workers died on it; the last one {ending}",
    }
    move(session, row, JobState.FAILED, now, told={"error": error}, error=error, lease=None)


def _running(session: Session, *conditions: Any) -> Sequence[JobRow]:
    query = (
        select(JobRow)
        .where(JobRow.state == JobState.RUNNING, *conditions)
        .order_by(JobRow.sequence)
    )
    return session.scalars(query.with_for_update(skip_locked=True)).all()


def _pair(held: Held) -> Held:
    return held[0], held[1]
