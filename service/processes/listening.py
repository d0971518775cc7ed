"""Listening: the socket that web answers on, which outlives it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from service.settings import InvalidSetting, Settings


@dataclass(frozen=True)
class WebOrder:
    """What the supervisor has a web process do.

    Args:
        settings: what to serve.
        handle: of the socket that listens; it stays the supervisor's.
        url: to be told once requests are answered; None: nothing is told.
    """

    settings: Settings
    handle: int
    url: str | None


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the settings' address; raises InvalidSetting where that is not to be
    had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidSetting(f"cannot listen on {settings.host}: {error.strerror}") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InvalidSetting(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from error
    return listener


def url_of(listener: socket.socket, encrypted: bool = False) -> str:
    """The URL of what is served on a socket."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if encrypted else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
