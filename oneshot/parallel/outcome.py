"""Outcomes of work that was spread over processes."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spaces.errors import PathfitError


@dataclass(frozen=True)
class Resources:
    """What an item occupies while it is worked on.

    Args:
        cpus: processor cores.
        gpus: GPUs; a fraction shares one.
    """

    cpus: float = 1.0
    gpus: float = 0.0


class ItemFailed(PathfitError):
    """The function raised an error, or its process died too often.

    Args:
        name: of the item.
        reason: what went wrong.
        details: the traceback, where there is one.
    """

    def __init__(self, name: str, reason: str, details: str = ""):
        self.name, self.reason, self.details = name, reason, details
        super().__init__(f"{name}: {reason}")


class Cancelled(PathfitError):
    """The caller wanted no more results."""


@dataclass(frozen=True)
class Outcome:
    """What became of an item; it can be sent between processes whatever the function returned or
    raised.

    Args:
        value: what the function returned.
        reason: what it raised, in words; None where it returned.
        details: the traceback.
    """

    value: Any = None
    reason: str | None = None
    details: str = ""

    @classmethod
    def of(cls, function: Callable[[Any], Any], item: Any) -> Outcome:
        """Call the function."""
        try:
            return cls(function(item))
        except PathfitError as error:
            return cls(reason=str(error))
        except Exception as error:
            return cls(reason=f"{type(error).__name__}: {error}", details=traceback.format_exc())
