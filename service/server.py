"""`python -m service.server`: answers requests with gunicorn; the service's supervisor starts
it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from types import FrameType
from typing import Any

import click
from flask import json
from gunicorn.app.base import BaseApplication
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from service.app import create_app
from service.context import Service, service_of
from service.operation import logs
from service.problems import MEDIA_TYPE, Problem
from service.processes.child_process import read_order
from service.processes.listening import WebOrder

GRACE = 1
"""Seconds that requests get to end when the service stops."""

_PROTOCOL = (
    (errors.LimitRequestLine, 414, "URI Too Long"),
    (errors.LimitRequestHeaders, 431, "Request Header Fields Too Large"),
    (errors.ExpectationFailed, 417, "Expectation Failed"),
    (errors.UnsupportedTransferCoding, 501, "Not Implemented"),
    (errors.ParseException, 400, "Bad Request"),
)


class Server(BaseApplication):
    """gunicorn with our settings: one gthread worker, which never runs jobs.

    Args:
        order: the supervisor's.
    """

    def __init__(self, order: WebOrder):
        self.order, self.settings = order, order.settings
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn how to serve."""
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
        """The application; called in the web process."""
        return create_app(self.settings)

    def begin(self, worker: ThreadWorker) -> None:
        """In the worker, before it takes requests: see that a stop is seen at once."""
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        logs.to_file(self.settings.data / "logs", "web")
        service = service_of(worker.app.wsgi())
        worker.cfg.set("graceful_timeout", GRACE)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            _stop_first(number, service)
        if worker.age == 1 and self.order.url is not None:
            click.echo(f"serving at {self.order.url}")

    def end(self, _arbiter: object, worker: ThreadWorker) -> None:
        """Close the store; gunicorn calls this in the worker, and in its own process for one that
        is dead.
        """
        if worker.pid == os.getpid() and self.callable is not None:
            service_of(self.callable).stop()


def _stop_first(number: signal.Signals, service: Service) -> None:
    """Have a signal release those who wait for results before gunicorn waits for them."""
    then = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        # From a thread: what the signal interrupted may hold the very lock that setting the event
        # needs.
        threading.Thread(target=service.stopping.set).start()
        if callable(then):
            then(received, frame)

    signal.signal(number, handle)


class WebWorker(ThreadWorker):
    """gunicorn's gthread worker, with problems in place of its HTML pages."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that is no HTTP, or an error outside of the application."""
        status, title = next(
            ((code, name) for kind, code, name in _PROTOCOL if isinstance(exc, kind)), (500, "")
        )
        if status == 500:
            self.log.exception("Error handling a request")
            title = "Internal Server Error"
        detail = (
            "the service failed; its log tells why"
            if status == 500
            else " ".join(str(exc).split())[:300] or title
        )
        problem = Problem(status, "protocol" if status < 500 else "internal", title, detail)
        body = json.dumps(problem.to_dict()).encode()
        head = f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("the client had gone")


def main() -> None:
    """Answer requests until told to stop, or until the supervisor dies."""
    Server(read_order(lambda: os.kill(os.getpid(), signal.SIGTERM))).run()


if __name__ == "__main__":
    main()
