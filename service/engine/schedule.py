"""When the engine's regular checks are due."""

from __future__ import annotations

import time


class Schedule:
    """The times of checks, each of which is made at most once in its interval.

    Example:
        >>> schedule = Schedule()
        >>> schedule.is_due("fault", 60.0), schedule.is_due("fault", 60.0)
        (True, False)
    """

    def __init__(self) -> None:
        self._next_time: dict[str, float] = {}

    def is_due(self, topic: str, interval: float) -> bool:
        """Return whether a check is to be made now, and have the next one wait for an interval.

        Args:
            topic: Name of the check.
            interval: Seconds between two checks.
        """
        now = time.monotonic()
        if now < self._next_time.get(topic, 0.0):
            return False
        self._next_time[topic] = now + interval
        return True

    def seconds_until(self, topic: str) -> float:
        """Return the seconds until a check that was made is due again."""
        return max(0.0, self._next_time[topic] - time.monotonic())
