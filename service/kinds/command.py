"""Running one of Pathfit's own commands as a part of a job: `python -m service.kinds.command MODULE ARGUMENTS`.

The command runs in a process of its own, as a user would run it, and reports how far it is as JSON lines. It ends with
the process that started it, however that died.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from service.kinds.base import Context
from spaces.errors import PathfitError

_LOOK = 0.1
_MARK = "\x1e"  # record separator, RFC 7464: no other output begins with it


class CommandFailed(PathfitError):
    """A command ended with an error; the sentence is its own."""


def run(command: Sequence[str], context: Context, threads: int, between: Callable[[], None] = lambda: None) -> None:
    """Run a command in the folder of an attempt, telling its progress.

    Args:
        command: the arguments of `python -m`.
        context: of the attempt.
        threads: that libraries may use.
        between: called again and again while it runs, and once at its end.

    Raises:
        CommandFailed: it ended with an error.
        Cancelled: as asked; the command has ended.
    """
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
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
    if process.returncode:
        raise CommandFailed(told.reason(process.returncode))


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
        return f"the command ended with exit code {code}: {self.lines[-1] if self.lines else 'it said nothing'}"


class ReportedBar:
    """Takes the place of `spaces.progress.Bar`: progress goes to the one who started the command.

    Args:
        title: what is being done.
    """

    def __init__(self, title: str):
        self.title = title

    def __enter__(self) -> ReportedBar:
        self.update(0.0, "")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.update(1.0, "")

    def update(self, share: float, state: str) -> None:
        """Tell the share done, from 0 to 1, and the state's text."""
        line = json.dumps({"share": min(float(share), 1.0), "stage": self.title, "state": state})
        sys.stdout.write(f"{_MARK}{line}\n")
        sys.stdout.flush()


def _end_with_parent() -> None:
    # Not by way of sys.stdin: its lock, held here, would be in the way of the end. Nothing comes but the end.
    os.read(0, 1)
    os._exit(1)


def main() -> None:
    """Run the command that the arguments name."""
    import spaces.progress

    threading.Thread(target=_end_with_parent, daemon=True).start()
    vars(spaces.progress)["Bar"] = ReportedBar
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
