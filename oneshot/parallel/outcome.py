"""Outcomes of items that several processes work on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spaces.errors import PathfitError


@dataclass(frozen=True)
class Resources:
    """Resources that an item occupies while a process works on it.

    Args:
        cpus: Number of processor cores.
        gpus: Number of GPUs; items with a fraction of one share it.
    """

    cpus: float = 1.0
    gpus: float = 0.0


class ItemFailed(PathfitError):
    """The function raised an error, or its process died too often.

    Args:
        name: Name of the item.
        reason: Message of the error.
        details: Traceback; empty where the error is an expected one.
    """

    def __init__(self, name: str, reason: str, details: str = ""):
        self.name = name
        self.reason = reason
        self.details = details
        super().__init__(f"{name}: {reason}")


class Cancelled(PathfitError):
    """The caller cancelled the work."""


@dataclass(frozen=True)
class Outcome:
    """Result or error of an item.

    Errors become text, because an exception need not survive being pickled between processes.

    Args:
        value: Return value of the function; None where it raised.
        reason: Message of the error that the function raised; None where it returned.
        details: Traceback of an unexpected error; empty otherwise.
    """

    value: Any = None
    reason: str | None = None
    details: str = ""

    @classmethod
    def from_call(cls, function: Callable[[Any], Any], item: Any) -> Outcome:
        """Call a function on an item and record its result or error."""
        try:
            return cls(function(item))
        except PathfitError as error:
            return cls(reason=str(error))
        except Exception as error:
            return cls(reason=f"{type(error).__name__}: {error}", details=traceback.format_exc())
