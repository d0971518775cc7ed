"""The supervisor's order to an engine, and the meaning of the engine's exit codes."""

from __future__ import annotations

from dataclasses import dataclass

from service.settings import Settings

EXIT_RAY_DIED = 75
"""Exit code of an engine whose Ray has died, so that a restart helps (EX_TEMPFAIL)."""

EXIT_REFUSED = 78
"""Exit code of an engine that a restart would not help (EX_CONFIG)."""


@dataclass(frozen=True)
class EngineOrder:
    """The supervisor's order to an engine.

    Args:
        settings: Settings of the service.
        name: Id of the engine.
        pulse: Descriptor for signs of life; None if nobody listens.
    """

    settings: Settings
    name: str
    pulse: int | None = None
