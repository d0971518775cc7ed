"""Places: how many requests of a kind may hold a thread at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.problems import busy


class Places:
    """A number of places that are taken and given back.

    Args:
        most: how many there are.
        what: what takes them, for the refusal.
    """

    def __init__(self, most: int, what: str):
        self.most, self.what = most, what
        self.taken = 0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take a place; raises Problem (503) where none is left."""
        with self._lock:
            if self.taken >= self.most:
                raise busy(
                    f"there are {self.most} {self.what} already, as many as may be; try again"
                )
            self.taken += 1

    def give_back(self) -> None:
        """Give a place back."""
        with self._lock:
            self.taken -= 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold a place for the block; raises as `take`."""
        self.take()
        try:
            yield
        finally:
            self.give_back()
