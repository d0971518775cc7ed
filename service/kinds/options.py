"""Options of a job as a command line has them; the commands themselves say which there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import click

from oneshot.errors import InvalidOption


def allowed(command: click.Command, own: Collection[str]) -> dict[str, click.Option]:
    """The options of a command that a job may set.

    Args:
        command: that the job runs.
        own: names of options that the job sets itself.

    Returns:
        Name, as it is typed (`train_fraction` of `--train-fraction`) -> option; none that takes a
        path, for no text of a request becomes one.
    """
    options = (item for item in command.params if isinstance(item, click.Option))
    free = (
        item for item in options if item.name not in own and not isinstance(item.type, click.Path)
    )
    return {item.opts[-1].lstrip("-").replace("-", "_"): item for item in free}


def arguments(
    command: click.Command, options: Mapping[str, Any], own: Collection[str]
) -> list[str]:
    """`{"learning_rate": 0.1, "refit": true}` as `["--learning-rate=0.1", "--refit"]`; None is left
    out.

    Raises:
        InvalidOption: the command has no such option, or the job may not set it.
    """
    known = allowed(command, own)
    found = []
    for name, value in options.items():
        if name not in known:
            raise InvalidOption(f"unknown option {name!r}; there is: {', '.join(sorted(known))}")
        option = known[name]
        if value is True and option.is_flag:
            found.append(option.opts[-1])
        elif value is False and option.is_flag:
            found.extend(option.secondary_opts[-1:])
        elif value is not None:
            # In one argument: a value that begins with a dash is no option.
            found.append(f"{option.opts[-1]}={value}")
    return found
