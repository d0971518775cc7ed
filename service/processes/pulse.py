"""Signs of life of a child process, by which its supervisor notices that it hangs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

HANG_LIMIT = 60.0
"""Seconds without a sign of life after which a process is killed and started again."""

START_LIMIT = 300.0
"""Seconds that a process has for its first sign of life."""

_INTERVAL = 1.0

# Longest time between two checks that counts: in a longer one the supervisor itself did not run,
# such as on a machine that was suspended.
_LONGEST_STEP = 1.0


class Pulse:
    """The supervisor's end of a pipe through which a child reports that it lives.

    A pipe rather than the job store, which may stall without any fault of the process.

    Args:
        hang_limit: Seconds without a sign of life after which the child hangs.
        start_limit: Seconds that the child has for its first one.
        clock: Returns seconds by a clock that nobody sets.

    Attributes:
        handle: Descriptor of the child's end.
        silence: Seconds since the last sign of life in which this process has run.
    """

    def __init__(
        self,
        hang_limit: float = HANG_LIMIT,
        start_limit: float = START_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._read_handle, self.handle = os.pipe()
        os.set_blocking(self._read_handle, False)
        self._hang_limit = hang_limit
        self._limit = start_limit
        self._clock = clock
        self._checked = clock()
        self.silence = 0.0

    def is_lost(self) -> bool:
        """Return whether the child hangs; to be called several times a second."""
        now = self._clock()
        self.silence += min(now - self._checked, _LONGEST_STEP)
        self._checked = now

        with contextlib.suppress(BlockingIOError):
            if os.read(self._read_handle, 1 << 12):
                self.silence = 0.0
                self._limit = self._hang_limit

        return self.silence > self._limit

    def close_handle(self) -> None:
        """Close the child's end in this process, once the child has it."""
        os.close(self.handle)

    def close(self) -> None:
        """Close this end."""
        os.close(self._read_handle)


def make_beat(handle: int | None) -> Callable[[], None]:
    """Return a function that gives the supervisor a sign of life, at most once a second.

    Args:
        handle: Descriptor of the child's end of a `Pulse`; None if nobody listens.
    """
    if handle is None:
        return lambda: None

    # Not for the processes that this one starts; and a full pipe must not block it.
    os.set_inheritable(handle, False)
    os.set_blocking(handle, False)
    next_time = 0.0

    def beat() -> None:
        nonlocal next_time
        now = time.monotonic()
        if now < next_time:
            return
        next_time = now + _INTERVAL
        # The supervisor has died, which ends this process anyway, or it hangs itself.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(handle, b".")

    return beat
