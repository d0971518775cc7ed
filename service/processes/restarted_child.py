"""Restarting a child process that has died or hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.processes.child_process import Child

# Seconds before the first restart in a row; each further one waits twice as long.
_FIRST_DELAY = 0.2
_MAX_DELAY = 5.0

# Seconds of running after which a restart is not one in a row.
_STEADY = 30.0


class RestartedChild:
    """A child process that always runs.

    Args:
        start: Starts the process.

    Attributes:
        child: The process; None while a restart waits.
    """

    def __init__(self, start: Callable[[], Child]):
        self._start = start
        self.child: Child | None = None
        self._started = 0.0
        self._delay = 0.0
        self._next_start = 0.0

    def check(self) -> tuple[Child, str] | None:
        """Start the process if it is time; return one that has ended, and how, once."""
        now = time.monotonic()
        if self.child is None:
            if now >= self._next_start:
                self.child = self._start()
                self._started = now
            return None

        ending = self.child.ending() or self.child.kill_if_lost()
        if ending is None:
            return None

        # Closed before the next one is started, so that its pipe and its zombie are gone.
        dead = self.child
        self.child = None
        dead.close()
        # The first restart is immediate; those of a process that dies again and again are not.
        if now - self._started > _STEADY:
            self._next_start = now
            self._delay = _FIRST_DELAY
        else:
            self._next_start = now + self._delay
            self._delay = min(2 * self._delay, _MAX_DELAY) if self._delay else _FIRST_DELAY

        return dead, ending
