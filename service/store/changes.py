"""Waking those who wait for a job, whichever process changed it."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from service.store.database import Database
from service.store.notifications import Listener, notifications_of

REREAD_INTERVAL = 5.0
"""Seconds after which a waiting reader reads again in any case, should a notification be lost."""

RETRY_DELAY = 0.5
"""Seconds between two tries to listen; all who wait read again meanwhile."""

# Seconds after which a waiting reader looks whether it is to stop, which needs no query.
_STOP_INTERVAL = 0.5

# Seconds for which this process listens on though nobody waits.
_LINGER = 1.0

_LOG = logging.getLogger(__name__)

Value = TypeVar("Value")


class Stop(Protocol):
    """Ends a wait, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether the wait is to end; called several times a second."""


class _Watch:
    """The waiting readers of one job."""

    def __init__(self, lock: threading.Lock):
        self.condition = threading.Condition(lock)
        self.num_changes = 0
        self.num_watchers = 0

    def notify(self) -> None:
        self.num_changes += 1
        self.condition.notify_all()


class Changes:
    """Notices changes of jobs while somebody waits for one.

    Args:
        database: Has the jobs.
    """

    def __init__(self, database: Database):
        self._notifications = notifications_of(database)
        self._lock = threading.Lock()
        self._watches: dict[str, _Watch] = {}
        self._subscribers: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        # A pipe, as the thread waits for descriptors: it becomes readable when this is closed.
        self._closing, self._open = os.pipe()
        self._closed = False

    def close(self) -> None:
        """Stop listening; those who still wait notice only the changes of this process."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread

        os.close(self._open)
        # Outside the lock, which the thread needs in order to end.
        if thread is not None:
            thread.join()
        os.close(self._closing)

    def notify(self, *job_ids: str) -> None:
        """Wake those who wait for jobs that this process has changed, in every process.

        Args:
            job_ids: Ids of the jobs. Without ids all who wait in this process are woken.
        """
        self._wake(*job_ids)
        self._notifications.send()

    def _wake(self, *job_ids: str) -> None:
        with self._lock:
            # A change that concerns many jobs, such as expired leases, names none of them.
            ids = job_ids or tuple(self._watches)
            for watch in map(self._watches.get, ids):
                if watch is not None:
                    watch.notify()
            subscribers = tuple(self._subscribers)

        for subscriber in subscribers:
            subscriber()

    @contextlib.contextmanager
    def subscribed(self, subscriber: Callable[[], None]) -> Iterator[None]:
        """Have a function called after every change of a job, in any thread, during the block."""
        with self._lock:
            self._subscribers.append(subscriber)
            self._start_listening()
        try:
            yield
        finally:
            with self._lock:
                self._subscribers.remove(subscriber)

    def wait_until(
        self,
        job_id: str,
        read: Callable[[], Value],
        is_over: Callable[[Value], bool],
        timeout: float,
        stop: Stop | None = None,
    ) -> Value:
        """Read a job again after each of its changes, and return the value that ends the wait.

        Args:
            job_id: Id of the job.
            read: Reads the value from the database.
            is_over: Whether a value ends the wait.
            timeout: Seconds to wait at most; the last value is then returned as it is.
            stop: Ends the wait when it is set. None never does.
        """
        deadline = time.monotonic() + timeout
        with self.watching(job_id) as wait:
            while True:
                # Inside `watching`: a change between this query and the wait below is noticed.
                value = read()
                is_late = time.monotonic() >= deadline
                if is_over(value) or is_late or (stop is not None and stop.is_set()):
                    return value
                _wait_for_change(wait, deadline, stop)

    @contextlib.contextmanager
    def watching(self, job_id: str) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits, for the given seconds at most, for a change of a job.

        It returns whether the job has changed since it was last called, and returns at once if so:
        a value that was read inside the block before the call cannot miss a change.
        """
        with self._lock:
            watch = self._watches.setdefault(job_id, _Watch(self._lock))
            watch.num_watchers += 1
            num_seen = watch.num_changes
            self._start_listening()

        def wait(timeout: float) -> bool:
            nonlocal num_seen
            with self._lock:
                changed = watch.condition.wait_for(lambda: watch.num_changes != num_seen, timeout)
                num_seen = watch.num_changes
            return changed

        try:
            yield wait
        finally:
            with self._lock:
                watch.num_watchers -= 1
                # Otherwise the mapping would grow with every job that was ever waited for.
                if not watch.num_watchers:
                    del self._watches[job_id]

    # Listening to other processes

    def _start_listening(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="store changes", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """Listen as long as somebody waits."""
        failure = None
        while not self._ends():
            try:
                with contextlib.closing(self._notifications.listen()) as listener:
                    # What changed before is not announced.
                    self._wake()
                    self._receive(listener)
            # Any error: those who wait read again in its place, and nobody else would notice it.
            except Exception as error:
                if failure is None:
                    _LOG.warning("cannot receive notifications of changes, trying again: %s", error)
                failure = error
                _wait_readable(RETRY_DELAY, self._closing)
                self._wake()

    def _receive(self, listener: Listener) -> None:
        while True:
            if listener in _wait_readable(_LINGER, self._closing, listener):
                job_ids = listener.read()
                # Without ids `_wake` would wake everybody.
                if job_ids:
                    self._wake(*job_ids)
            # The next one who waits starts another thread.
            elif self._is_idle():
                return

    def _ends(self) -> bool:
        """Return whether the thread is to end; then another one may start."""
        with self._lock:
            if self._is_idle():
                self._thread = None
                return True
        return False

    def _is_idle(self) -> bool:
        return self._closed or not (self._watches or self._subscribers)


def _wait_readable(timeout: float, *files: int | Listener) -> list[object]:
    """Wait until files are readable, for the given seconds at most, and return these files."""
    with selectors.DefaultSelector() as selector:
        for file in files:
            selector.register(file, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(timeout)]


def _wait_for_change(wait: Callable[[float], bool], deadline: float, stop: Stop | None) -> None:
    """Wait until a job has changed, for an event, or until it is to be read again."""
    end = min(deadline, time.monotonic() + REREAD_INTERVAL)
    while not wait(min(end - time.monotonic(), _STOP_INTERVAL)):
        if time.monotonic() >= end or (stop is not None and stop.is_set()):
            return
