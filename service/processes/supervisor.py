"""Supervisor: the service's first process; it starts web and engine, and starts again whichever
dies.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from service.artifacts import Artifacts
from service.engine.cleanup import clean_up
from service.engine.order import EXIT_REFUSED, EngineOrder
from service.engine.ray_session import RayFailed, environment
from service.operation.lock import FolderLock
from service.processes.child_process import Child
from service.processes.listening import WebOrder, listen, url_of
from service.settings import InvalidSetting, Settings
from service.store import Store

PATIENCE = 3.5
"""Seconds that web and engine get to end when the service stops."""

_LOOK = 0.05
_SLOWEST_RESTART = 5.0
_STEADY = 30.0
_LOG = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until told to stop; what cannot work is found before anything is started.

    Args:
        settings: what to serve.

    Raises:
        FolderInUse: another service uses the data folder.
        InvalidStore: the job store cannot be used.
        InvalidSetting: the address cannot be listened on, or is open to others while there is no
            token.
        ArtifactFailed: artifacts cannot be kept.
        RayFailed: the cluster cannot be used.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    lock = FolderLock(settings.data)
    store = Store(settings.store)
    try:
        if settings.exposed and not store.tokens.list():
            raise InvalidSetting(
                f"host {settings.host!r} is open to others, and no token was made: "
                "make one with python -m service token create NAME"
            )
        artifacts = Artifacts(settings.artifacts_url)
        artifacts.sweep()
        if settings.ray_address is not None and settings.artifacts is None:
            raise InvalidSetting(
                "a Ray cluster needs artifacts that every machine reaches: give --artifacts URL"
            )
        with listen(settings) as listener:
            Supervisor(settings, listener, store).run()
    finally:
        store.close()
        lock.release()


class Part:
    """A child that is to run, always.

    Args:
        name: for messages.
        start: starts it.
    """

    def __init__(self, name: str, start: Callable[[], Child]):
        self.name, self._start = name, start
        self.child: Child | None = None
        self._begun, self._pause, self._next = 0.0, 0.0, 0.0

    def look(self) -> tuple[Child, str] | None:
        """Start it where it does not run and it is time; a child that has ended, and how, once."""
        now = time.monotonic()
        if self.child is None:
            if now >= self._next:
                self.child, self._begun = self._start(), now
            return None
        ending = self.child.ending()
        if ending is None:
            return None
        dead, self.child = self.child, None
        dead.close()
        steady = now - self._begun > _STEADY
        self._next = now + (0.0 if steady else self._pause)
        self._pause = 0.2 if steady or not self._pause else min(2 * self._pause, _SLOWEST_RESTART)
        return dead, ending


class Supervisor:
    """Watches web and engine.

    Args:
        settings: of the service.
        listener: the socket that web answers on; it stays open while web is started again.
        store: told of engines that died.
    """

    def __init__(self, settings: Settings, listener: socket.socket, store: Store):
        self._settings, self._listener, self._store = settings, listener, store
        self._stopping = False
        self._count = 0
        self._engine_name = ""
        self._url: str | None = url_of(listener, settings.certificate is not None)
        self._web, self._engine = Part("web", self._start_web), Part("engine", self._start_engine)

    def run(self) -> None:
        """Run until SIGTERM or Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        self._clear()
        if self._store.path is not None:
            # This is the store's only service, so whatever runs was started by a dead one.
            self._store.leases.recover()
        try:
            while not self._stopping:
                if (ended := self._web.look()) is not None:
                    _LOG.error("the web process %s %s; it is started again", ended[0].pid, ended[1])
                if (ended := self._engine.look()) is not None:
                    self._bury_engine(*ended)
                time.sleep(_LOOK)
        finally:
            self._end()

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    # Children

    def _start_web(self) -> Child:
        handle = self._listener.fileno()
        order = WebOrder(self._settings, handle, self._url)
        self._url = None  # told once
        return Child("service.server", order, handles=[handle])

    def _start_engine(self) -> Child:
        self._count += 1
        self._engine_name = f"{socket.gethostname()[:64]}-{os.getpid()}-{self._count}"
        order = EngineOrder(self._settings, self._engine_name)
        return Child(
            "service.engine", order, environment(self._settings.data, self._settings.ray_address)
        )

    def _bury_engine(self, dead: Child, ending: str) -> None:
        """End what the dead engine's Ray left, give its jobs back, say so."""
        if dead.process.returncode == EXIT_REFUSED:
            said = [
                engine.detail
                for engine in self._store.engines.list()
                if engine.id == self._engine_name
            ]
            raise RayFailed(said[0] if said and said[0] else f"the engine {ending}")
        _LOG.error("the engine %s %s; it is started again", dead.pid, ending)
        self._clear()
        self._tell("fault", f"the engine {ending}; it is started again")

    def _clear(self) -> None:
        """No process of an engine, and no folder of its Ray, is left."""
        clean_up(self._settings.data)

    def _tell(self, state: str, detail: str) -> None:
        def tell(step: Callable[..., Any], *arguments: Any) -> None:
            try:
                step(*arguments)
            except SQLAlchemyError as error:
                _LOG.error("the job store failed: %s", error)

        tell(self._store.leases.recover, self._engine_name)
        tell(self._store.engines.announce, self._engine_name, state, detail)

    def _end(self) -> None:
        """End both at once, and whatever they leave."""
        children = [part.child for part in (self._web, self._engine) if part.child is not None]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + PATIENCE
        for child in children:
            if not child.close(max(0.0, deadline - time.monotonic())):
                _LOG.warning("process %s did not end in time and was killed", child.pid)
        self._clear()
        if self._engine_name:
            self._tell("stopped", "the service was stopped")
