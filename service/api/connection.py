"""The connection of a request: an answer that nobody waits for any more need not be made."""

from __future__ import annotations

import select
import socket
import threading

from flask import request

from service.context import Service

# Linux alone reports the end of a stream before everything in front of it was read.
_ENDED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class RequestEnd:
    """Whether a request that waits is to end: the service stops, or the client has left.

    Args:
        stopping: Set when the service begins to stop.
        connection: Socket of the client; None if the server does not report it.
    """

    def __init__(self, stopping: threading.Event, connection: socket.socket | None):
        self._stopping = stopping
        self._connection = connection

    def is_set(self) -> bool:
        """Return whether the request is to end."""
        return self._stopping.is_set() or (
            self._connection is not None and is_closed(self._connection)
        )


def request_end(service: Service) -> RequestEnd:
    """Return the end of the current request, which can also be queried later."""
    # gunicorn, and werkzeug's server in tests.
    names = ("gunicorn.socket", "werkzeug.socket")
    sockets = [request.environ[name] for name in names if name in request.environ]
    return RequestEnd(service.stopping, sockets[0] if sockets else None)


def is_closed(connection: socket.socket) -> bool:
    """Return whether the other side has closed a connection; nothing is read from it."""
    handle = connection.fileno()
    if handle < 0:
        return True

    poll = select.poll()
    poll.register(handle, _ENDED)

    return bool(poll.poll(0))
