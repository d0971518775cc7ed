"""Processes of the service that receive an order from their supervisor, and end with it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.processes.pulse import Pulse
from spaces.plugins.loading import LoadedFiles

# Bytes of the number that precedes an order and is its length.
_HEADER_SIZE = 8


class Child:
    """A running `python -m MODULE`, which has loaded the same plug-ins as this process.

    Its standard input brings the order, and then nothing until this process ends, however it dies.

    Args:
        module: Module whose `main` begins with `read_order`.
        order: The order. This program alone writes it, so that it may be pickled.
        environment: Variables in addition to this process's own.
        handles: Open files that the child inherits.
        pulse: Brings signs of life of the child, which inherits its handle; None for none.
    """

    def __init__(
        self,
        module: str,
        order: Any,
        environment: Mapping[str, str] | None = None,
        handles: Sequence[int] = (),
        pulse: Pulse | None = None,
    ):
        self._pulse = pulse
        pulse_handles = [] if pulse is None else [pulse.handle]
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            pass_fds=[*handles, *pulse_handles],
            # Ctrl-C in a terminal reaches the supervisor alone, which ends the others in order.
            process_group=0,
        )

        if pulse is not None:
            pulse.close_handle()

        # pickle, since both ends are the same program: settings have paths and nested dataclasses.
        # The files of plug-ins first, which the child loads before it reads the order.
        content = pickle.dumps((LoadedFiles(), order))
        assert self.process.stdin is not None

        try:
            self.process.stdin.write(len(content).to_bytes(_HEADER_SIZE) + content)
            self.process.stdin.flush()
        except BrokenPipeError:
            # The child has died already, as `ending` reports.
            return

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self.process.pid

    def ending(self) -> str | None:
        """Describe how the process ended; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        if code < 0:
            # A negative code is the number of the signal.
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def kill_if_lost(self) -> str | None:
        """Kill the process and those that it forked if it hangs; describe it if it does."""
        if self._pulse is None or not self._pulse.is_lost():
            return None

        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return f"gave no sign of life for {self._pulse.silence:.0f} s and was killed"

    def terminate(self) -> None:
        """Send the process a request to end."""
        if self.process.poll() is None:
            self.process.terminate()

    def close(self, patience: float = 0.0) -> bool:
        """Wait for the end of the process, and kill it if it does not end in time.

        Args:
            patience: Seconds to wait at most.

        Returns:
            Whether the process ended in time.
        """
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        finally:
            assert self.process.stdin is not None
            self.process.stdin.close()
            if self._pulse is not None:
                self._pulse.close()
                self._pulse = None

        return True


def read_order(on_orphaned: Callable[[], object]) -> Any:
    """Read the order of this process, which is a child.

    Args:
        on_orphaned: Called in a thread when the supervisor has died.
    """
    # The descriptor, not sys.stdin: the lock of that object, held by the waiting thread, would
    # block a fork and the interpreter's end.
    handle = sys.stdin.fileno()
    size = int.from_bytes(_read(handle, _HEADER_SIZE))
    _, order = pickle.loads(_read(handle, size))

    def watch() -> None:
        # Blocks until the pipe's other end is closed, which the kernel does however the supervisor
        # dies.
        while os.read(handle, 1):
            continue
        on_orphaned()

    threading.Thread(target=watch, name="supervisor", daemon=True).start()

    return order


def _read(handle: int, size: int) -> bytes:
    content = b""
    while len(content) < size:
        # A pipe may deliver less than was requested.
        block = os.read(handle, size - len(content))
        if not block:
            # The supervisor has died already.
            os._exit(1)

        content += block

    return content
