"""How long tests wait for what other threads and processes do."""

import os
import time
from collections.abc import Callable

PATIENCE = 10.0 if os.environ.get("CI") else 1.0
"""Factor of the seconds in which something must happen.

The machines of continuous integration are shared, and one may stand still for longer than a bound
that a free machine keeps. Where `CI` is not set, the bounds are those that users are promised.
"""


def within(seconds: float, condition: Callable[[], bool], pause: float = 0.05) -> bool:
    """Wait until a condition is true, and return whether it became so in time.

    Args:
        seconds: Longest wait on a free machine.
        condition: Asked again and again.
        pause: Seconds between two questions.

    Returns:
        The last answer.
    """
    deadline = time.monotonic() + PATIENCE * seconds
    while not (is_met := condition()) and time.monotonic() < deadline:
        time.sleep(pause)

    return is_met
