"""Processor time of work that may be interrupted and resumed."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spaces.files import write_text


@dataclass
class Watch:
    """Reading of a `stopwatch`.

    Args:
        seconds: Seconds of all runs of the work.
    """

    seconds: float


@contextmanager
def stopwatch(path: Path, clock: Callable[[], float]) -> Iterator[Watch]:
    """Add the time of a block to that of earlier runs of the same work.

    Args:
        path: JSON file of the time so far, which is written when the block ends or is interrupted.
        clock: Returns a time in seconds, such as `time.process_time`.
    """
    watch = Watch(json.loads(path.read_text(encoding="utf-8")) if path.is_file() else 0.0)
    begin = clock()
    try:
        yield watch
    finally:
        watch.seconds += clock() - begin
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(round(watch.seconds, 3)) + "\n")


def child_seconds() -> float:
    """Return the processor time of all ended child processes in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
