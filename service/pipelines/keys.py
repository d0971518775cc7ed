"""The options of stages that a request may set, by how their texts are read."""

from __future__ import annotations

import click

# Texts that no command takes for a path or an address.
_PLAIN_TEXTS = frozenset(
    {
        "backend",
        "batch",
        "budget",
        "device",
        "format",
        "input",
        "metric",
        "option",
        "precision",
        "rank-by",
        "resolution",
        "strategy",
        "task",
        "training",
        "under",
    }
)

_NEEDS_PROCESSES = "starts processes that the service has not reserved cores for; remove the key"

REFUSED = {
    "address": "the jobs of a service run where the service runs them; remove the key",
    "archs": "a pipeline of a service reads no files; remove the key",
    "cores": "the service decides on which cores a job runs; remove the key",
    "devices": _NEEDS_PROCESSES,
    "engine": _NEEDS_PROCESSES,
    "name": "the table has the name of the request; remove the key",
    "upload": "the service adds the table to its own; remove the key",
    "workers": _NEEDS_PROCESSES,
}
"""Key of an option that no request may set -> the reason."""


def is_plain(key: str, option: click.Option) -> bool:
    """Return whether no value of an option names a file, an address or an entry of the catalog.

    Args:
        key: Key of the option.
        option: The option.

    Example:
        >>> is_plain("epochs", click.Option(["--epochs"], type=int))
        True
        >>> is_plain("transfer", click.Option(["--transfer"], type=click.Path()))
        False
    """
    numbers = (click.types.IntParamType, click.types.FloatParamType, click.Choice)
    if option.is_flag or isinstance(option.type, numbers):
        return True
    # Of other options, and of those that commands will yet have, only what is listed.
    return key in _PLAIN_TEXTS and not isinstance(option.type, click.Path)
