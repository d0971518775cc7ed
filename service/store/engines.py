"""The state that engines report of themselves, for `/readyz` and `service doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, select

from service.store.database import Database
from service.store.schema import EngineRow

STATES = ("starting", "ready", "fault", "stopped")

# Seconds after which a silent engine is forgotten.
_FORGET_AFTER = 24 * 3600.0


@dataclass(frozen=True)
class RayStatus:
    """The Ray that an engine runs its jobs on.

    Args:
        version: Version of Ray.
        address: Address of its head.
        cluster: Whether it is a cluster, not a Ray of the engine's own.
    """

    version: str
    address: str
    cluster: bool


@dataclass(frozen=True)
class EngineStatus:
    """An engine's latest report of itself.

    Args:
        id: Id of the engine.
        state: starting, ready, fault or stopped.
        detail: Reason of the state, or None.
        ray: The Ray that it runs jobs on; None before it has started.
        started: Seconds since 1970.
        age_s: Seconds since the engine last reported.
    """

    id: str
    state: str
    detail: str | None
    ray: RayStatus | None
    started: float
    age_s: float


class Engines:
    """The engines that work on a store.

    Args:
        database: Has the reports.
    """

    def __init__(self, database: Database):
        self._database = database

    def announce(
        self, engine: str, state: str, detail: str | None = None, ray: RayStatus | None = None
    ) -> None:
        """Record the state of an engine, and forget those silent for a day.

        Args:
            engine: Id of the engine.
            state: starting, ready, fault or stopped.
            detail: Reason of the state, or None.
            ray: The Ray that it runs jobs on; None keeps the recorded one.
        """
        if state not in STATES:
            raise ValueError(f"state of an engine: expected {', '.join(STATES)}, not {state!r}")

        with self._database.writing() as session:
            now = self._database.now(session)
            is_forgotten = EngineRow.seen < now - _FORGET_AFTER
            session.execute(delete(EngineRow).where(is_forgotten, EngineRow.id != engine))

            # An engine announces itself several times under one id; the time of its start remains.
            row = session.get(EngineRow, engine)
            if row is None:
                row = EngineRow(id=engine, started=now)
                session.add(row)
            row.state = state
            row.detail = detail
            row.seen = now
            if ray is not None:
                row.ray = asdict(ray)

    def list(self) -> Sequence[EngineStatus]:
        """List the engines by their latest report, newest first."""
        query = select(EngineRow).order_by(EngineRow.seen.desc(), EngineRow.started.desc())
        with self._database.reading() as session:
            now = self._database.now(session)
            return [_status_from_row(row, now) for row in session.scalars(query)]


def _status_from_row(row: EngineRow, now: float) -> EngineStatus:
    ray = None if row.ray is None else RayStatus(**row.ray)
    return EngineStatus(row.id, row.state, row.detail, ray, row.started, now - row.seen)
