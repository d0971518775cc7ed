"""Groups and types of options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import click

Command: TypeAlias = Callable[..., Any]


def with_options(*options: Command) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command, in this order."""

    def decorate(command: Command) -> Command:
        # The last decorator's option is the first in the help.
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


class ListOf(click.ParamType[tuple[Any, ...]]):
    """Distinct values separated by commas.

    Args:
        item: Type of each value.
    """

    separator = ","
    """Pipelines join the elements of a list by it."""

    def __init__(self, item: click.ParamType[Any]):
        self.item = item
        self.name = f"{item.name} list"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.item.get_metavar(param, ctx) or self.item.name.upper()}[,...]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        # A default may have been converted already.
        if isinstance(value, tuple):
            return value
        texts = str(value).split(",")
        values = tuple(self.item.convert(text.strip(), param, ctx) for text in texts)

        # Two tables under the same conditions would have one file.
        if len(set(values)) < len(values):
            self.fail(f"{value!r} names a value twice", param, ctx)
        return values
