"""Options of the commands that send requests to a service: its URL and the token."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from service.client import Client

URL = "http://127.0.0.1:8000"


def with_client(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --url and --token to a command, which gets a Client as `client`."""

    @click.option(
        "--url", envvar="PATHFIT_URL", default=URL, show_default=True, help="URL of the service."
    )
    @click.option(
        "--token",
        envvar="PATHFIT_TOKEN",
        default=None,
        help="Token, if the service needs one; safer in PATHFIT_TOKEN.",
    )
    @functools.wraps(command)
    def wrapped(*arguments: Any, url: str, token: str | None, **options: Any) -> Any:
        return command(*arguments, client=_client(url, token), **options)

    return wrapped


def _client(url: str, token: str | None) -> Client:
    from service.client import Client

    return Client(url, token or None)
