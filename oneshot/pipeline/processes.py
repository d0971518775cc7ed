"""The process of a stage, to which the signals of the pipeline's own process are handed on."""

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
        # Of a group of its own: the terminal sends Ctrl-C to this process alone, which hands it on
        # once. Trainings count signals: the first ends a step in order, the second ends at once.
        process_group=0,
        pass_fds=(lock,),
    )
    with _handing_on(process) as received:
        code = process.wait()
    if received:
        raise StageStopped(received[0])
    return code


@contextmanager
def _handing_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Send SIGINT and SIGTERM of this process to another one within the block."""
    received: list[int] = []
    # Only the main thread can have handlers; a job of a service stops its stages otherwise.
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def hand_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if process.poll() is None:
            os.kill(process.pid, number)

    previous = {number: signal.signal(number, hand_on) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
