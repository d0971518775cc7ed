"""The state that engines report of themselves, for `/readyz` and `service doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, or_, select

from service.store.database import Database
from service.store.schema import EngineRow

STATES = ("starting", "ready", "fault", "stopped")

# Seconds after which a silent engine is forgotten.
_FORGET_AFTER = 24 * 3600.0

# Seconds by which a report may seem to be in the future. Reports further ahead are of an earlier
# start of the machine, or older than a change of the database's clock: nobody knows their age, but
# a living engine would have replaced them.
_AHEAD = 1.0


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
            ticks = self._database.ticks(session)
            is_forgotten = or_(
                EngineRow.seen < ticks - _FORGET_AFTER, EngineRow.seen > ticks + _AHEAD
            )
            session.execute(delete(EngineRow).where(is_forgotten, EngineRow.id != engine))

            # An engine announces itself several times under one id; the time of its start remains.
            row = session.get(EngineRow, engine)
            if row is None:
                row = EngineRow(id=engine, started=now)
                session.add(row)
            row.state = state
            row.detail = detail
            row.seen = ticks
            if ray is not None:
                row.ray = asdict(ray)

    def list(self) -> Sequence[EngineStatus]:
        """List the engines by their latest report, newest first."""
        with self._database.reading() as session:
            ticks = self._database.ticks(session)
            engines = [_status_from_row(row, ticks) for row in session.scalars(select(EngineRow))]

        return sorted(engines, key=lambda engine: (engine.age_s, -engine.started))


def _status_from_row(row: EngineRow, ticks: float) -> EngineStatus:
    ray = None if row.ray is None else RayStatus(**row.ray)
    age = max(0.0, ticks - row.seen)
    if row.seen > ticks + _AHEAD:
        age = _FORGET_AFTER
    return EngineStatus(row.id, row.state, row.detail, ray, row.started, age)
