"""Running one of Pathfit's own commands as a part of a job: `python -m service.kinds.command MODULE
ARGUMENTS`.

The command runs in a process of its own, as a user would run it, and reports how far it is as JSON
lines. It ends with the process that started it, however that died.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from service.kinds.base import Context, Lost
from spaces.errors import PathfitError
from spaces.progress import listening

LOST = 75
"""Exit code of a command one of whose processes has died, so that running it again may help
(EX_TEMPFAIL).
"""

_LOOK = 0.1
_MARK = "\x1e"  # record separator, RFC 7464: no other output begins with it


class CommandFailed(PathfitError):
    """A command ended with an error; the sentence is its own."""


def run(
    command: Sequence[str],
    context: Context,
    threads: int,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Run a command in the folder of an attempt, telling its progress.

    Args:
        command: the arguments of `python -m`.
        context: of the attempt.
        threads: that libraries may use.
        between: called again and again while it runs, and once at its end.

    Raises:
        CommandFailed: it ended with an error.
        Cancelled: as asked; the command has ended.
        Lost: it was killed, or one of its processes was.
    """
    limits = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "service.kinds.command", *command],
        cwd=context.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **limits},
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    told = _Told(process)
    try:
        while process.poll() is None:
            context.check_cancelled()
            if told.progress is not None:
                context.progress(told.progress)
            between()
            time.sleep(_LOOK)
        told.join()
        between()
    finally:
        process.kill()
        process.wait()
        told.close()
    if process.returncode < 0:
        raise Lost(f"was killed by {signal.Signals(-process.returncode).name}")
    if process.returncode:
        reason = told.reason(process.returncode)
        if process.returncode == LOST:
            raise Lost(reason)
        raise CommandFailed(reason)


class _Told:
    """Reads what a command says."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process
        self.progress: dict[str, Any] | None = None
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_MARK):
                self.progress = json.loads(line[1:])
            elif line.strip():
                self.lines = [*self.lines[-49:], line.rstrip()]

    def join(self) -> None:
        self._thread.join(5)

    def close(self) -> None:
        self.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def reason(self, code: int) -> str:
        said = next((line for line in reversed(self.lines) if line.startswith("Error: ")), None)
        if said is not None:
            return said.removeprefix("Error: ")
        return (
            f"the command ended with exit code {code}:"
            f" {self.lines[-1] if self.lines else 'it said nothing'}"
        )


def tell(progress: dict[str, Any]) -> None:
    """Tell the one who started this command how far it is."""
    sys.stdout.write(f"{_MARK}{json.dumps(progress)}\n")
    sys.stdout.flush()


def as_report(title: str, fraction: float, state: str) -> dict[str, Any]:
    """Return the JSON object that reports the progress of a command."""
    return {"share": fraction, "stage": title, "state": state}


def _end_with_parent() -> None:
    # Not by way of sys.stdin: its lock, held here, would be in the way of the end. Nothing comes
    # but the end.
    os.read(0, 1)
    os._exit(1)


def main() -> None:
    """Run the command that the arguments name."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    with listening(lambda *report: tell(as_report(*report))):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
