"""`python -m service.server`: the web process, started by the service's supervisor."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from types import FrameType
from typing import Any

import click
from flask import json
from gunicorn.app.base import BaseApplication
from gunicorn.http import errors
from gunicorn.workers.gthread import TConn, ThreadWorker

from service.app import create_app
from service.context import Service, service_of
from service.operation import logs
from service.problems import MEDIA_TYPE, Problem
from service.processes.child_process import read_order
from service.processes.listening import WebOrder

GRACE = 1
"""Seconds in which requests may end when the service stops."""

DRAINED_UPLOADS = 2
"""Size of the largest unread body that is read to its end, as a multiple of the largest upload."""

DRAIN_PATIENCE = 10.0
"""Seconds for which the rest of an unread body is read."""

# Bytes of an unread body that are read at once.
_DRAIN_BLOCK = 1 << 16

# Seconds without a byte after which the rest of a body is not waited for.
_STALLED_AFTER = 2.0

# gunicorn's errors of the protocol -> status and title of the answer.
_PROTOCOL_ERRORS = (
    (errors.LimitRequestLine, 414, "URI Too Long"),
    (errors.LimitRequestHeaders, 431, "Request Header Fields Too Large"),
    (errors.ExpectationFailed, 417, "Expectation Failed"),
    (errors.UnsupportedTransferCoding, 501, "Not Implemented"),
    (errors.ParseException, 400, "Bad Request"),
)


class Server(BaseApplication):
    """A gunicorn server with one threaded worker, which never runs jobs itself.

    Args:
        order: Order of the supervisor: the settings and the socket to serve on.
    """

    def __init__(self, order: WebOrder):
        self.order = order
        self.settings = order.settings
        super().__init__()

    def load_config(self) -> None:
        """Configure gunicorn."""
        options: dict[str, Any] = {
            "bind": f"fd://{self.order.handle}",
            "worker_class": "service.server.WebWorker",
            "workers": 1,
            "threads": self.settings.threads,
            "worker_connections": self.settings.threads * 4,
            "loglevel": "warning",
            "accesslog": None,
            "errorlog": "-",
            "keepalive": 5,
            "timeout": 60,
            "graceful_timeout": GRACE + 1,
            "control_socket_disable": True,
            "post_worker_init": self.begin,
            "worker_exit": self.end,
        }
        if self.settings.certificate is not None:
            options |= {
                "certfile": str(self.settings.certificate),
                "keyfile": str(self.settings.key),
            }

        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Create the application; gunicorn calls this in the worker."""
        return create_app(self.settings)

    def begin(self, worker: ThreadWorker) -> None:
        """Prepare the worker, so that waiting requests end as soon as a stop is signalled."""
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        logs.to_file(self.settings.data / "logs", "web")
        service = service_of(worker.app.wsgi())

        # One second less than gunicorn's own process waits before it kills the worker.
        worker.cfg.set("graceful_timeout", GRACE)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            _stop_first(number, service)

        # Only the first worker: gunicorn replaces one that died.
        if worker.age == 1 and self.order.url is not None:
            click.echo(f"serving at {self.order.url}")

    def end(self, _arbiter: object, worker: ThreadWorker) -> None:
        """Close the store when the worker exits."""
        # gunicorn also calls this in its own process if a worker died.
        if worker.pid == os.getpid() and self.callable is not None:
            service_of(self.callable).stop()


def _stop_first(number: signal.Signals, service: Service) -> None:
    """Make a signal end waiting requests before gunicorn's own handler waits for them."""
    next_handler = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        # In a thread: the interrupted code may hold the lock that setting the event needs.
        threading.Thread(target=service.stopping.set).start()
        if callable(next_handler):
            next_handler(received, frame)

    signal.signal(number, handle)


class WebWorker(ThreadWorker):
    """A gthread worker of gunicorn that answers problems rather than HTML pages."""

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request, and read what its answer left unread of the body.

        Many clients send the whole body before they read: a connection that is closed earlier
        breaks under them, and they never see the answer, such as 413. gunicorn itself reads 64 KiB.

        Returns:
            Whether the connection can be used again.
        """
        keeps_open = super().handle_request(req, conn)
        _drain(req, conn, DRAINED_UPLOADS * service_of(self.app.wsgi()).settings.max_upload)
        return bool(keeps_open)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that is not valid HTTP, or an error outside the application."""
        status, title = next(
            ((code, name) for kind, code, name in _PROTOCOL_ERRORS if isinstance(exc, kind)),
            (500, ""),
        )
        if status == 500:
            self.log.exception("Error handling a request")
            title = "Internal Server Error"

        detail = (
            "the service failed; see its log for the reason"
            if status == 500
            else " ".join(str(exc).split())[:300] or title
        )
        problem = Problem(status, "protocol" if status < 500 else "internal", title, detail)
        body = json.dumps(problem.to_dict()).encode()
        head = f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("the client has closed the connection")


def _drain(req: Any, conn: TConn, limit: int) -> None:
    """Read the rest of a request's body, up to a number of bytes and for a bounded time."""
    deadline = time.monotonic() + DRAIN_PATIENCE
    previous_timeout = conn.sock.gettimeout()
    try:
        conn.sock.settimeout(_STALLED_AFTER)

        while limit > 0 and time.monotonic() < deadline:
            # Not the parser's `finish_body`, which copies what it has received for each KiB.
            block = req.body.read(_DRAIN_BLOCK)
            if not block:
                break
            limit -= len(block)

        conn.sock.settimeout(previous_timeout)
    # The answer was sent: the connection of a client that left or stalled is closed.
    except (OSError, errors.ParseException):
        return


def main() -> None:
    """Serve requests until a signal stops the process, or until the supervisor dies."""
    Server(read_order(lambda: os.kill(os.getpid(), signal.SIGTERM))).run()


if __name__ == "__main__":
    main()
