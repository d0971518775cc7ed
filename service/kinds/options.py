"""Options of a job that runs a command: those of the command line, by their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import click

from oneshot.errors import InvalidOption


def allowed(command: click.Command, reserved: Collection[str]) -> dict[str, click.Option]:
    """Return the options of a command that a request may set.

    An option that takes a path is never allowed: no text of a request becomes a path.

    Args:
        command: Command that the job runs.
        reserved: Names of options that the job itself sets.

    Returns:
        Name as it is typed (`train_fraction` of `--train-fraction`) -> option.
    """
    return {
        # The last name is the long one, after a short form such as `-n`.
        option.opts[-1].lstrip("-").replace("-", "_"): option
        for option in command.params
        if isinstance(option, click.Option)
        and option.name not in reserved
        and not isinstance(option.type, click.Path)
    }


def to_arguments(
    command: click.Command, options: Mapping[str, Any], reserved: Collection[str]
) -> list[str]:
    """Convert `{"learning_rate": 0.1, "refit": true}` to `["--learning-rate=0.1", "--refit"]`.

    A list repeats its option.

    Args:
        command: Command that the job runs.
        options: Name -> value; None leaves an option to the command's default.
        reserved: Names of options that the job itself sets.

    Raises:
        InvalidOption: The command has no such option, or a request may not set it.
    """
    by_name = allowed(command, reserved)
    arguments = []
    for name, value in options.items():
        if name not in by_name:
            raise InvalidOption(f"unknown option {name!r}; available: {', '.join(sorted(by_name))}")

        option = by_name[name]
        if value is True and option.is_flag:
            arguments.append(option.opts[-1])
        elif value is False and option.is_flag:
            # A flag without an opposite cannot be negated, so that it is left out.
            arguments.extend(option.secondary_opts[-1:])
        elif value is not None:
            values = value if isinstance(value, list) else [value]
            # In one argument: otherwise a value that begins with a dash would be an option.
            arguments.extend(f"{option.opts[-1]}={item}" for item in values)

    return arguments
