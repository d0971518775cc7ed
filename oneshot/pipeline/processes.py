"""Processes of stages, to which signals of the pipeline's process are forwarded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StageStopped(Exception):
    """A signal ended a stage.

    Args:
        signal_number: Number of the signal.
    """

    def __init__(self, signal_number: int):
        self.signal_number = signal_number
        super().__init__(signal_number)


def run_command(arguments: Sequence[str], lock: int) -> int:
    """Run `python -m ARGUMENTS` to its end; its output goes where this process's goes.

    Args:
        arguments: Arguments of `python -m`.
        lock: File descriptor of the run's lock, which the process keeps open.

    Returns:
        The exit code.

    Raises:
        StageStopped: This process received Ctrl-C or SIGTERM, which the stage has been sent.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.DEVNULL,
        # A group of its own: otherwise the terminal and this process would both send Ctrl-C, and a
        # training takes the second one as a request to end at once.
        process_group=0,
        pass_fds=(lock,),
    )
    with _forwarding_signals(process) as received:
        code = process.wait()

    if received:
        raise StageStopped(received[0])

    return code


@contextmanager
def _forwarding_signals(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Forward SIGINT and SIGTERM to another process within the block, and yield those received."""
    received: list[int] = []
    # Only the main thread can have handlers; a job of a service stops its stages otherwise.
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # The number of a process that has ended may belong to another one.
        if process.poll() is None:
            os.kill(process.pid, number)

    previous = {number: signal.signal(number, forward) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
