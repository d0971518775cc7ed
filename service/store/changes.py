"""Changes: wakes those who wait for a job, whichever process changed it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator

from sqlalchemy.exc import SQLAlchemyError

INTERVAL = 0.05
_LOG = logging.getLogger(__name__)

Look = Callable[[int | None], tuple[int, Iterable[str]]]
"""Number of the last change that is known (None where none is) -> the last there is, and the jobs
changed since.
"""


class _Watch:
    """Those who wait for one job."""

    def __init__(self, lock: threading.Lock):
        self.condition = threading.Condition(lock)
        self.count, self.watchers = 0, 0

    def tell(self) -> None:
        self.count += 1
        self.condition.notify_all()


class Changes:
    """Looks for changes while somebody waits: one small query for all of them, however many they
    are.

    Args:
        look: finds what was changed, by whichever process.
        interval: seconds between two looks.
    """

    def __init__(self, look: Look, interval: float = INTERVAL):
        self._look, self._interval = look, interval
        self._lock = threading.Lock()
        self._jobs: dict[str, _Watch] = {}
        self._last = 0
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def close(self) -> None:
        """Look no more; those who still wait learn only what this process tells."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def tell(self, *jobs: str) -> None:
        """Jobs were changed by this process; any may have been where none is given."""
        with self._lock:
            for watch in list(self._jobs.values()) if not jobs else map(self._jobs.get, jobs):
                if watch is not None:
                    watch.tell()

    @contextlib.contextmanager
    def watching(self, job: str) -> Iterator[Callable[[float], None]]:
        """Give a function that waits, some seconds at most, for a change of a job since it was
        called last.

        What is read within the block before that function is called cannot have missed a change.
        """
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._last, _ = self._look(None)
                self._thread = threading.Thread(target=self._run, name="store changes", daemon=True)
                self._thread.start()
            watch = self._jobs.setdefault(job, _Watch(self._lock))
            watch.watchers += 1
            seen = watch.count

        def wait(timeout: float) -> None:
            nonlocal seen
            with self._lock:
                watch.condition.wait_for(lambda: watch.count != seen, timeout)
                seen = watch.count

        try:
            yield wait
        finally:
            with self._lock:
                watch.watchers -= 1
                if not watch.watchers:
                    del self._jobs[job]

    def _run(self) -> None:
        while True:
            self._closed.wait(self._interval)
            with self._lock:
                if not self._jobs or self._closed.is_set():
                    self._thread = None
                    return
            try:
                last, jobs = self._look(self._last)
            except SQLAlchemyError as error:
                _LOG.warning("cannot look for changes, trying again: %s", error)
                self._closed.wait(1.0)
                continue
            if last != self._last:
                self._last = last
                self.tell(*jobs)
