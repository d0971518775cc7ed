"""Stopping a training by Ctrl-C without the loss of finished updates."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A training was stopped after it had written a checkpoint.

    Args:
        checkpoint: File of the checkpoint.
        step: Number of updates that are done.
        steps: Number of updates of the whole training.

    Example:
        >>> str(Stopped(Path("last.ckpt"), 5, 10)).partition(";")[0]
        'stopped after update 5 of 10'
    """

    def __init__(self, checkpoint: Path, step: int, steps: int):
        self.checkpoint = checkpoint
        self.step = step
        self.steps = steps
        super().__init__(
            f"stopped after update {step} of {steps}; {checkpoint} keeps what is done: "
            "go on with the same command and --resume"
        )


@contextlib.contextmanager
def on_signals(stop: Callable[[], Any]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM within the block; the next one interrupts.

    Outside the main thread nothing changes, since Python lets no other thread handle signals.

    Args:
        stop: Called in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        for previous, handler in handlers.items():
            signal.signal(previous, handler)
        stop()

    try:
        for number in SIGNALS:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def leave_to_parent() -> None:
    """Ignore Ctrl-C as long as the parent process is alive, since that one handles it."""
    parent = os.getppid()

    def handle(number: int, frame: FrameType | None) -> None:
        # torch also sends SIGINT when the parent has died.
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGINT, handle)
