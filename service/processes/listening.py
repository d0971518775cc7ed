"""The socket that the web process serves on, which outlives that process."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from service.settings import InvalidSetting, Settings


@dataclass(frozen=True)
class WebOrder:
    """The supervisor's order to a web process.

    Args:
        settings: Settings of the service.
        handle: Descriptor of the listening socket, which remains the supervisor's.
        url: URL to print once requests are answered; None prints none.
        pulse: Descriptor for signs of life; None if nobody listens.
    """

    settings: Settings
    handle: int
    url: str | None
    pulse: int | None = None


def listen(settings: Settings) -> socket.socket:
    """Open a socket that listens on the settings' address.

    Raises:
        InvalidSetting: The address is not available.
    """
    try:
        # Resolves IPv4 and IPv6 addresses as well as names.
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidSetting(f"cannot listen on {settings.host}: {error.strerror}") from error

    # Without it a restart would have to wait until the old connections have timed out.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)

        # Connections that arrive while the web process restarts wait in this queue.
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InvalidSetting(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from error

    return listener


def url_of(listener: socket.socket, encrypted: bool = False) -> str:
    """Return the URL of the service on a socket."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if encrypted else "http"
    # The address of IPv6 has colons itself.
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
