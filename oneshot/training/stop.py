"""Stopping a training by Ctrl-C, without losing what it did."""

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
    """A training was stopped and wrote a checkpoint to go on from.

    Args:
        checkpoint: the file.
        step: updates that are done.
        steps: of the whole training.
    """

    def __init__(self, checkpoint: Path, step: int, steps: int):
        self.checkpoint, self.step, self.steps = checkpoint, step, steps
        super().__init__(
            f"stopped after update {step} of {steps}; {checkpoint} keeps what is done: "
            "go on with the same command and --resume"
        )


@contextlib.contextmanager
def on_signals(stop: Callable[[], Any]) -> Iterator[None]:
    """Within the block the first SIGINT or SIGTERM calls `stop`; the next one interrupts at once.

    Outside the main thread nothing changes: Python lets no other thread handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        stop()

    try:
        for number in SIGNALS:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_to_parent() -> None:
    """Let the process that started this one decide on Ctrl-C; without that process, end."""
    parent = os.getppid()

    def handle(number: int, frame: FrameType | None) -> None:
        # torch also sends SIGINT when the parent has died.
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGINT, handle)
