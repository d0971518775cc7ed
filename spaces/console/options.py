"""Groups of options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Command: TypeAlias = Callable[..., Any]


def with_options(*options: Command) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command, in this order."""

    def decorate(command: Command) -> Command:
        # The last decorator's option is the first in the help.
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
