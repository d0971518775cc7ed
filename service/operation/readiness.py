"""Whether the service can work: the store answers, and an engine has said of late that it is
ready.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.store import EngineStatus, InvalidStore, Store

SILENCE = 10.0
"""Seconds after which an engine that says nothing counts as dead."""


def fault(store: Store) -> str | None:
    """Why the service cannot work at present; None where it can."""
    try:
        store.check()
    except InvalidStore as error:
        return str(error)
    return fault_of(store.engines.list())


def fault_of(known: Sequence[EngineStatus]) -> str | None:
    """Why none of the engines works, the one heard last first; None where one does."""
    if any(engine.state == "ready" and engine.age_s < SILENCE for engine in known):
        return None
    if not known:
        return "the engine does not run yet"
    last = known[0]
    if last.age_s >= SILENCE:
        return f"the engine has not been heard for {last.age_s:.0f} s"
    return (
        f"the engine is {last.state}: {last.detail}"
        if last.detail
        else f"the engine is {last.state}"
    )
