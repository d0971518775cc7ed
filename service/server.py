"""Serving with gunicorn: one web process that holds the engine, restarted if it dies."""

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

from service.app import Service, create_app, service_of
from service.lock import FolderLock
from service.problems import MEDIA_TYPE, Problem
from service.settings import InvalidSetting, Settings
from service.store import Store

GRACE = 1
"""Seconds that requests get to end when the service stops."""

_PROTOCOL = (
    (errors.LimitRequestLine, 414, "URI Too Long"),
    (errors.LimitRequestHeaders, 431, "Request Header Fields Too Large"),
    (errors.ExpectationFailed, 417, "Expectation Failed"),
    (errors.UnsupportedTransferCoding, 501, "Not Implemented"),
    (errors.ParseException, 400, "Bad Request"),
)


def serve(settings: Settings) -> None:
    """Serve until told to stop; what cannot work is found before anything is started.

    Args:
        settings: what to serve.

    Raises:
        FolderInUse: another service uses the data folder.
        InvalidStore: the data folder's job store cannot be used.
        InvalidSetting: the address cannot be listened on.
    """
    lock = FolderLock(settings.data)
    Store(settings.database).close()
    # Nothing is cleaned up here: gunicorn forks below this call, so that what follows it would run in both
    # processes. The lock is held until the last of them has ended.
    Server(settings, listen(settings), lock).run()


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the settings' address; raises InvalidSetting where that is not to be had."""
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
        raise InvalidSetting(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL of what is served on a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(BaseApplication):
    """gunicorn with our settings: one gthread worker, whose process holds the engine.

    Args:
        settings: what to serve.
        listener: the socket that listens already; gunicorn takes it over.
        lock: held for as long as the server lives.
    """

    def __init__(self, settings: Settings, listener: socket.socket, lock: FolderLock):
        self.settings, self.lock = settings, lock
        self.url, self.handle = url_of(listener), listener.detach()
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn how to serve."""
        options: dict[str, Any] = {
            "bind": f"fd://{self.handle}",
            "worker_class": "service.server.WebWorker",
            "workers": 1,
            "threads": self.settings.threads,
            "worker_connections": self.settings.threads * 4,
            "loglevel": "warning",
            "accesslog": None,
            "errorlog": "-",
            "keepalive": 5,
            "timeout": 60,
            # The web process takes GRACE at most; what is left is for the engine to end its workers.
            "graceful_timeout": GRACE + 3,
            "control_socket_disable": True,
            "post_worker_init": self.begin,
            "worker_exit": self.end,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application; called in the web process."""
        return create_app(self.settings)

    def begin(self, worker: ThreadWorker) -> None:
        """In the web process, before it takes requests: start the engine, and see that a stop is seen at once."""
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        service = service_of(worker.app.wsgi())
        worker.cfg.set("graceful_timeout", GRACE)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            _stop_first(number, service)
        service.start()
        if worker.age == 1:
            click.echo(f"serving at {self.url}")

    def end(self, _arbiter: object, worker: ThreadWorker) -> None:
        """Stop the engine; gunicorn calls this in the web process as it ends, and in its own for one that is dead."""
        if worker.pid == os.getpid() and self.callable is not None:
            service_of(self.callable).stop()


def _stop_first(number: signal.Signals, service: Service) -> None:
    """Have a signal release those who wait for results before gunicorn waits for them."""
    then = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        # From a thread: what the signal interrupted may hold the very lock that setting the event needs.
        threading.Thread(target=service.stopping.set).start()
        if callable(then):
            then(received, frame)

    signal.signal(number, handle)


class WebWorker(ThreadWorker):
    """gunicorn's gthread worker, with problems in place of its HTML pages."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that is no HTTP, or an error outside of the application."""
        status, title = next(((code, name) for kind, code, name in _PROTOCOL if isinstance(exc, kind)), (500, ""))
        if status == 500:
            self.log.exception("Error handling a request")
            title = "Internal Server Error"
        detail = "the service failed; its log tells why" if status == 500 else " ".join(str(exc).split())[:300] or title
        problem = Problem(status, "protocol" if status < 500 else "internal", title, detail)
        body = json.dumps(problem.to_dict()).encode()
        head = f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("the client had gone")
