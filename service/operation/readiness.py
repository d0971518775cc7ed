"""Readiness: the store answers, and an engine has recently reported that it can run jobs."""

from __future__ import annotations

from collections.abc import Sequence

from service.store import EngineStatus, InvalidStore, Store

SILENCE = 10.0
"""Seconds after which a silent engine counts as dead."""


def fault(store: Store) -> str | None:
    """Describe why the service cannot run jobs at present; None if it can."""
    try:
        store.check()
    except InvalidStore as error:
        return str(error)
    return fault_of(store.engines.list())


def fault_of(engines: Sequence[EngineStatus]) -> str | None:
    """Describe why none of the engines can run jobs; None if one can.

    Args:
        engines: The engines by their latest report, newest first.
    """
    if any(engine.state == "ready" and engine.age_s < SILENCE for engine in engines):
        return None
    if not engines:
        return "the engine does not run yet"

    # The newest report explains best why none is ready.
    latest = engines[0]
    if latest.age_s >= SILENCE:
        return f"the engine has not reported for {latest.age_s:.0f} s"
    if latest.detail:
        return f"the engine is {latest.state}: {latest.detail}"

    return f"the engine is {latest.state}"
