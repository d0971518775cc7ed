"""Limits on how many requests of a kind are served at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.problems import busy


class ConcurrencyLimit:
    """A limit on how many requests of a kind may occupy a thread at the same time.

    Args:
        limit: Greatest number of requests at once.
        name: Plural name of the requests, for the message of a refusal.

    Example:
        >>> exports = ConcurrencyLimit(2, "exports")
        >>> with exports.slot():
        ...     exports.num_active
        1
        >>> exports.num_active
        0
    """

    def __init__(self, limit: int, name: str):
        self.limit = limit
        self.name = name
        self.num_active = 0
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Occupy a slot; raises Problem (503) if the limit is reached."""
        with self._lock:
            if self.num_active >= self.limit:
                raise busy(f"the limit of {self.limit} {self.name} at once is reached; try again")
            self.num_active += 1

    def release(self) -> None:
        """Free a slot."""
        with self._lock:
            self.num_active -= 1

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Occupy a slot for the block; raises Problem (503) if the limit is reached."""
        self.acquire()
        try:
            yield
        finally:
            self.release()
