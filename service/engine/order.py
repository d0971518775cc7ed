"""Order: what the supervisor has an engine do, and how an engine's end is to be understood."""

from __future__ import annotations

from dataclasses import dataclass

from service.settings import Settings

BROKEN = 75
"""Exit code where Ray has died and starting again will help (EX_TEMPFAIL)."""

REFUSED = 78
"""Exit code where starting again would not help (EX_CONFIG)."""


@dataclass(frozen=True)
class Order:
    """What the supervisor has an engine do.

    Args:
        settings: of the service.
        name: the engine's id.
    """

    settings: Settings
    name: str
