"""Waking those who wait for a job, whichever process changed it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.store.database import Database
from service.store.schema import EventRow, JobRow

POLL_INTERVAL = 0.05
"""Seconds between two queries for changes of other processes."""

REREAD_INTERVAL = 0.5
"""Seconds after which a waiting reader reads again in any case: PostgreSQL can hide a change."""

_LOG = logging.getLogger(__name__)

Value = TypeVar("Value")


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
    """Notices changes of jobs while somebody waits, by one small query for all who wait.

    Args:
        database: Has the events, of which every change of a job writes one.
        interval: Seconds between two queries.
    """

    def __init__(self, database: Database, interval: float = POLL_INTERVAL):
        self._database = database
        self._interval = interval
        self._lock = threading.Lock()
        self._watches: dict[str, _Watch] = {}
        self._last_event = 0
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def close(self) -> None:
        """Stop querying; those who still wait notice only the changes of this process."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        # Outside the lock, which the thread needs in order to end.
        if thread is not None:
            thread.join()

    def notify(self, *job_ids: str) -> None:
        """Wake those who wait for the jobs, which this process changed; without ids, for any."""
        with self._lock:
            # A change that concerns many jobs, such as expired leases, names none of them.
            ids = job_ids or tuple(self._watches)
            for watch in map(self._watches.get, ids):
                if watch is not None:
                    watch.notify()

    def wait_until(
        self,
        job_id: str,
        read: Callable[[], Value],
        is_over: Callable[[Value], bool],
        timeout: float,
        stop: threading.Event | None = None,
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
                remaining = deadline - time.monotonic()
                stopped = stop is not None and stop.is_set()
                if is_over(value) or remaining <= 0 or stopped:
                    return value
                wait(min(remaining, REREAD_INTERVAL))

    @contextlib.contextmanager
    def watching(self, job_id: str) -> Iterator[Callable[[float], None]]:
        """Yield a function that waits, for the given seconds at most, for a change of a job.

        It also returns at once if the job changed since it was last called, so that a value that
        was read inside the block before the call cannot miss a change.
        """
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                # Older events are no changes for readers that begin now.
                self._last_event = self._newest_event()
                self._thread = threading.Thread(target=self._run, name="store changes", daemon=True)
                self._thread.start()
            watch = self._watches.setdefault(job_id, _Watch(self._lock))
            watch.num_watchers += 1
            num_seen = watch.num_changes

        def wait(timeout: float) -> None:
            nonlocal num_seen
            with self._lock:
                watch.condition.wait_for(lambda: watch.num_changes != num_seen, timeout)
                num_seen = watch.num_changes

        try:
            yield wait
        finally:
            with self._lock:
                watch.num_watchers -= 1
                # Otherwise the mapping would grow with every job that was ever waited for.
                if not watch.num_watchers:
                    del self._watches[job_id]

    def _run(self) -> None:
        while True:
            self._closed.wait(self._interval)
            with self._lock:
                # Nobody waits: the thread ends, and the next waiting reader starts another.
                if not self._watches or self._closed.is_set():
                    self._thread = None
                    return

            try:
                # Without the lock, so that a slow database does not hold up those who begin to
                # wait.
                last_event, job_ids = self._changed_since(self._last_event)
            except SQLAlchemyError as error:
                _LOG.warning("cannot query the store for changes, trying again: %s", error)
                self._closed.wait(1.0)
                continue

            if last_event != self._last_event:
                self._last_event = last_event
                self.notify(*job_ids)

    def _newest_event(self) -> int:
        with self._database.reading() as session:
            return session.scalar(select(func.max(EventRow.id))) or 0

    def _changed_since(self, last_event: int) -> tuple[int, set[str]]:
        """Return the newest event, and the jobs that have events after the given one.

        PostgreSQL gives out numbers before their transactions are visible, so one may be missed.
        """
        query = (
            select(EventRow.id, JobRow.id)
            .join(JobRow, JobRow.sequence == EventRow.job)
            .where(EventRow.id > last_event)
        )
        with self._database.reading() as session:
            rows = session.execute(query).all()

        # Ids increase over all jobs, so that one number is the position of all readers.
        newest = max((event_id for event_id, _ in rows), default=last_event)

        return newest, {job_id for _, job_id in rows}
