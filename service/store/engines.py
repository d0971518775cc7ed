"""What engines say of themselves, for `/readyz` and `service doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.store.schema import EngineRow

STATES = ("starting", "ready", "fault", "stopped")
_FORGOTTEN = 24 * 3600.0


@dataclass(frozen=True)
class EngineStatus:
    """An engine as it described itself last.

    Args:
        id: the engine's.
        state: starting, ready, fault or stopped.
        detail: why, where there is more to say.
        ray: of the Ray that it runs jobs on, such as address and version.
        started: seconds since 1970.
        age_s: seconds since it was heard last.
    """

    id: str
    state: str
    detail: str | None
    ray: dict[str, Any]
    started: float
    age_s: float


def announce(
    session: Session,
    now: float,
    engine: str,
    state: str,
    detail: str | None,
    ray: dict[str, Any] | None,
) -> None:
    """Record what an engine says; drops those unheard for a day."""
    if state not in STATES:
        raise ValueError(f"an engine is one of {', '.join(STATES)}, not {state!r}")
    session.execute(
        delete(EngineRow).where(EngineRow.seen < now - _FORGOTTEN, EngineRow.id != engine)
    )
    row = session.get(EngineRow, engine)
    if row is None:
        session.add(
            EngineRow(id=engine, state=state, detail=detail, ray=ray, started=now, seen=now)
        )
        return
    row.state, row.detail, row.seen = state, detail, now
    if ray is not None:
        row.ray = ray


def statuses(session: Session, now: float) -> list[EngineStatus]:
    """All that are remembered, the one heard last first."""
    rows = session.scalars(
        select(EngineRow).order_by(EngineRow.seen.desc(), EngineRow.started.desc())
    ).all()
    return [
        EngineStatus(row.id, row.state, row.detail, row.ray or {}, row.started, now - row.seen)
        for row in rows
    ]
