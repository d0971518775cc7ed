"""`python -m service.server`: the web process, started by the service's supervisor."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from service.app import create_app
from service.context import Service, service_of
from service.operation import logs
from service.processes.child_process import read_order
from service.processes.listening import WebOrder

GRACE = 1
"""Seconds in which requests may end when the service stops."""


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
            "worker_class": "service.processes.web_worker.WebWorker",
            "workers": 1,
            "threads": self.settings.threads,
            # Queued requests hold a connection but no thread; a full table would refuse all others.
            "worker_connections": self.settings.threads * 16,
            "loglevel": "warning",
            "accesslog": None,
            "errorlog": "-",
            "keepalive": 5,
            # gunicorn replaces a worker whose main thread hangs; the supervisor, later, all of web.
            # The time includes the start of a worker, which takes long on a busy machine.
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


def main() -> None:
    """Serve requests until a signal stops the process, or until the supervisor dies."""
    Server(read_order(lambda: os.kill(os.getpid(), signal.SIGTERM))).run()


if __name__ == "__main__":
    main()
