"""Child: a process of the service, which learns from its supervisor what to do and ends with it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_HEAD = 8


class Child:
    """A running `python -m MODULE`.

    Its standard input brings the order and then nothing more until this process ends, however it
    dies.

    Args:
        module: has a `main` that begins with `ordered`.
        order: what it is given; it comes from this program alone, so that it may be pickled.
        environment: variables beside our own.
        handles: open files that it shares.
    """

    def __init__(
        self,
        module: str,
        order: Any,
        environment: Mapping[str, str] | None = None,
        handles: Sequence[int] = (),
    ):
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            pass_fds=handles,
            # Ctrl-C in a terminal reaches the supervisor alone, which decides what ends, and how.
            process_group=0,
        )
        content = pickle.dumps(order)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(len(content).to_bytes(_HEAD) + content)
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it has died; `ending` tells

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def ending(self) -> str | None:
        """How it ended; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        return (
            f"was killed by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )

    def terminate(self) -> None:
        """Ask it to end."""
        if self.process.poll() is None:
            self.process.terminate()

    def close(self, patience: float = 0.0) -> bool:
        """Wait for its end, at most `patience` seconds, and kill it then; whether it ended by
        itself.
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
        return True


def ordered(orphaned: Callable[[], object]) -> Any:
    """In a child: its order; `orphaned` is called, in a thread, when the supervisor has died."""
    # Not by way of sys.stdin: its lock, held by the thread that waits, would be in the way of a
    # fork and of the end.
    handle = sys.stdin.fileno()
    order = pickle.loads(_read(handle, int.from_bytes(_read(handle, _HEAD))))

    def watch() -> None:
        while os.read(handle, 1):
            continue
        orphaned()

    threading.Thread(target=watch, name="supervisor", daemon=True).start()
    return order


def _read(handle: int, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = os.read(handle, size - len(found))
        if not part:
            os._exit(1)  # the supervisor has died already
        found += part
    return found
