"""Options of the commands that talk to a service: where it is, and the token that it asks for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from service.client import Client

URL = "http://127.0.0.1:8000"


def connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --url and --token; it gets a Client as its argument `client`."""

    @click.option(
        "--url", envvar="PATHFIT_URL", default=URL, show_default=True, help="Where the service is."
    )
    @click.option(
        "--token",
        envvar="PATHFIT_TOKEN",
        default=None,
        help="Where one is needed; better given by PATHFIT_TOKEN.",
    )
    @functools.wraps(command)
    def wrapped(*arguments: Any, url: str, token: str | None, **options: Any) -> Any:
        return command(*arguments, client=_client(url, token), **options)

    return wrapped


def _client(url: str, token: str | None) -> Client:
    from service.client import Client

    return Client(url, token or None)
