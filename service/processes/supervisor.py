"""The service's first process, which starts web and engine, and restarts whichever dies."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from service.artifacts import Artifacts
from service.engine.cleanup import clean_up
from service.engine.order import EXIT_REFUSED, EngineOrder
from service.engine.ray_session import RayFailed, environment
from service.operation.lock import FolderLock, StoreLock
from service.operation.scratch import SCRATCH, clear, scratch_folder
from service.processes.child_process import Child
from service.processes.listening import WebOrder, listen, url_of
from service.processes.pulse import HANG_LIMIT, Pulse
from service.processes.restarted_child import RestartedChild
from service.settings import InvalidSetting, Settings
from service.store import Store
from service.store.database import Database

PATIENCE = 3.5
"""Seconds that web and engine have to end when the service stops."""

# Seconds between two looks at the children, which also come as soon as one has ended.
_INTERVAL = 0.5

# gunicorn itself replaces a worker that hangs, which gives the signs of life, by then.
_WEB_HANG_LIMIT = 2 * HANG_LIMIT

_LOG = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until stopped; settings that cannot work are refused before anything is started.

    Args:
        settings: Settings of the service.

    Raises:
        FolderInUse: Another service uses the data folder.
        StoreInUse: Another service uses the SQLite file of the job store.
        InvalidStore: The job store cannot be used.
        InvalidSetting: The address is not available, or is open to others although no token was
            created.
        ArtifactFailed: Artifacts cannot be stored.
        RayFailed: The cluster cannot be used.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    # First: everything below may be in use by a service that runs already.
    lock = FolderLock(settings.data)
    try:
        # Before the store is opened, which would upgrade it under another service.
        store_lock = StoreLock(Database(settings.store).path)
    except BaseException:
        lock.release()
        raise

    store = Store(settings.store, timeouts=settings.timeouts)
    try:
        if settings.exposed and not store.tokens.list():
            raise InvalidSetting(
                f"host {settings.host!r} is open to others, and no token was created: "
                "create one with python -m service token create NAME"
            )

        artifacts = Artifacts(settings.artifacts_url)
        # The lock excludes other writers from the data folder, but not from a storage that several
        # services share.
        if settings.artifacts is None:
            artifacts.sweep()
        # The default is a folder of this machine, which other nodes would each create for
        # themselves.
        if settings.ray_address is not None and settings.artifacts is None:
            raise InvalidSetting(
                "a Ray cluster needs artifacts that every node reaches: give --artifacts URL"
            )

        with listen(settings) as listener:
            Supervisor(settings, listener, store).run()
    finally:
        store.close()
        store_lock.release()
        lock.release()


class Supervisor:
    """Watches web and engine.

    Args:
        settings: Settings of the service.
        listener: Socket that web serves on; it remains open while web is restarted.
        store: Has the jobs that a dead engine was running.
    """

    def __init__(self, settings: Settings, listener: socket.socket, store: Store):
        self._settings = settings
        self._listener = listener
        self._store = store
        self._stopping = False
        self._num_engines = 0
        self._engine_name = ""
        self._url: str | None = url_of(listener, settings.certificate is not None)
        self._web = RestartedChild(self._start_web)
        self._engine = RestartedChild(self._start_engine)

    def run(self) -> None:
        """Run until SIGTERM, SIGHUP or Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)

        self._clean_up()
        clear(self._settings.data)
        if self._store.path is not None:
            # This is the only service of the store, so a dead one started all running jobs.
            self._store.leases.recover(reason="the service ended without stopping")

        try:
            with _signals() as wait_for_signal:
                self._watch(wait_for_signal)
        finally:
            self._end()

    def _watch(self, wait_for_signal: Callable[[float], None]) -> None:
        """Start web and engine, again whenever one has ended, until a signal stops the service."""
        while not self._stopping:
            if (ended := self._web.check()) is not None:
                _LOG.error("the web process %s %s; it is restarted", ended[0].pid, ended[1])
            if (ended := self._engine.check()) is not None:
                self._handle_dead_engine(*ended)
            wait_for_signal(_INTERVAL)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    # Children

    def _start_web(self) -> Child:
        handle = self._listener.fileno()
        pulse = Pulse(_WEB_HANG_LIMIT)
        order = WebOrder(self._settings, handle, self._url, pulse.handle)
        # Only the first web process prints the URL.
        self._url = None
        variables = {SCRATCH: str(scratch_folder(self._settings.data, "web"))}
        return Child("service.server", order, variables, handles=[handle], pulse=pulse)

    def _start_engine(self) -> Child:
        self._num_engines += 1
        self._engine_name = f"{socket.gethostname()[:64]}-{os.getpid()}-{self._num_engines}"
        pulse = Pulse()
        order = EngineOrder(self._settings, self._engine_name, pulse.handle)
        variables = environment(self._settings.data, self._settings.ray_address)
        return Child("service.engine", order, variables, pulse=pulse)

    def _handle_dead_engine(self, dead: Child, ending: str) -> None:
        """Clean up after a dead engine, and queue its jobs again.

        Raises:
            RayFailed: A restart would not help.
        """
        if dead.process.returncode == EXIT_REFUSED:
            details = [
                engine.detail
                for engine in self._store.engines.list()
                if engine.id == self._engine_name and engine.detail
            ]
            raise RayFailed(details[0] if details else f"the engine {ending}")

        _LOG.error("the engine %s %s; it is restarted", dead.pid, ending)
        self._clean_up()
        self._record_end("fault", f"the engine {ending}; it is restarted", f"the engine {ending}")

    def _clean_up(self) -> None:
        """End the processes of an engine, and remove the folder of its Ray."""
        clean_up(self._settings.data)

    def _record_end(self, state: str, detail: str, reason: str | None = None) -> None:
        """Queue the engine's jobs again, and record its state.

        Args:
            state: State of the engine.
            detail: Description of the state.
            reason: How the engine has ended; None if it was stopped.
        """
        _try(self._store.leases.recover, self._engine_name, reason)
        _try(self._store.engines.announce, self._engine_name, state, detail)

    def _end(self) -> None:
        """End web and engine at the same time, and clean up after them."""
        children = [
            restarted.child
            for restarted in (self._web, self._engine)
            if restarted.child is not None
        ]
        for child in children:
            child.terminate()

        deadline = time.monotonic() + PATIENCE
        for child in children:
            if not child.close(max(0.0, deadline - time.monotonic())):
                _LOG.warning("process %s did not end in time and was killed", child.pid)

        self._clean_up()
        clear(self._settings.data)
        if self._engine_name:
            self._record_end("stopped", "the service was stopped")


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[float], None]]:
    """Yield a function that waits for a signal, for the given seconds at most.

    The end of a child is a signal too, so that it is noticed at once without looking all the time.
    """
    reader, writer = os.pipe()
    for handle in (reader, writer):
        os.set_blocking(handle, False)
    # Python writes a byte for every signal that has a handler.
    previous_handle = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    previous_handler = signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def wait(timeout: float) -> None:
        select.select([reader], [], [], timeout)
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 1 << 12)

    try:
        yield wait
    finally:
        signal.signal(signal.SIGCHLD, previous_handler)
        signal.set_wakeup_fd(previous_handle)
        os.close(reader)
        os.close(writer)


def _try(write: Callable[..., Any], *arguments: Any) -> None:
    """Write to the store; an error is logged, since the jobs' leases expire without it too."""
    try:
        write(*arguments)
    except SQLAlchemyError as error:
        _LOG.error("the job store failed: %s", error)
