"""Running one of Pathfit's commands as a job: `python -m service.kinds.command MODULE ARGUMENTS`.

`--plugin FILE` before the module, any number of times, loads the plug-ins of the service. The
command runs in a process of its own, as a user would run it, and reports its progress as JSON
lines. It ends with the process that started it, however that one died.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.jobs import JsonObject
from service.kinds.base import ProcessDied, Progress
from spaces.errors import PathfitError
from spaces.plugins.loading import load_file, loaded_files
from spaces.progress import listening

EXIT_LOST = 75
"""Exit code of a command that lost a process, so that another run may help (EX_TEMPFAIL)."""

_POLL_INTERVAL = 0.1

# The record separator of RFC 7464: no other output begins with it.
_MARK = "\x1e"

# Lines of output that are remembered for an error message.
_NUM_LINES = 50

_JOIN_TIMEOUT = 5

_PLUGIN = "--plugin"


class CommandFailed(PathfitError):
    """A command ended with an error; the message is the command's own."""


@dataclass(frozen=True)
class CommandProgress:
    """Progress of a command.

    Args:
        stage: Title of the present activity of the command.
        fraction: Fraction of the stage that is done, from 0 to 1.
        state: Further text, such as the step and the loss.
    """

    stage: str
    fraction: float
    state: str

    @classmethod
    def from_dict(cls, value: JsonObject) -> CommandProgress:
        """Read the JSON object that `to_dict` returns."""
        return cls(value["stage"], value["share"], value["state"])

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""
        return {"share": self.fraction, "stage": self.stage, "state": self.state}


class Surroundings(Protocol):
    """What a command needs of an attempt; a `Context` has it."""

    @property
    def folder(self) -> Path:
        """Folder that the command runs in."""

    def progress(self, progress: Progress) -> None:
        """Report progress."""

    def check_cancelled(self) -> None:
        """Raise Cancelled if the command is to end."""


def run(
    command: Sequence[str],
    context: Surroundings,
    threads: int,
    on_poll: Callable[[], None] = lambda: None,
) -> None:
    """Run a command in the folder of an attempt, and report its progress.

    Args:
        command: Arguments of `python -m`.
        context: Context of the attempt, or what a command needs of it.
        threads: Threads that numerical libraries use.
        on_poll: Called again and again while the command runs, and once at its end.

    Raises:
        CommandFailed: The command ended with an error.
        Cancelled: The job was cancelled; the command has ended.
        ProcessDied: The command or one of its processes was killed.
    """
    thread_variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    plugins = [argument for path in loaded_files() for argument in (_PLUGIN, path)]

    # Standard input stays open and silent; its end is how the command notices this process's death.
    process = subprocess.Popen(
        [sys.executable, "-m", "service.kinds.command", *plugins, *command],
        cwd=context.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **dict.fromkeys(thread_variables, str(threads))},
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    output = _Output(process)
    try:
        while process.poll() is None:
            context.check_cancelled()
            if output.progress is not None:
                context.progress(output.progress)
            on_poll()
            time.sleep(_POLL_INTERVAL)

        # The last lines may still be in the pipe when the process has ended.
        output.join()
        on_poll()
    finally:
        # In every case, such as a cancellation; a process that has ended is not affected.
        process.kill()
        process.wait()
        output.close()

    if process.returncode < 0:
        raise ProcessDied(f"was killed by {signal.Signals(-process.returncode).name}")
    if process.returncode == EXIT_LOST:
        raise ProcessDied(output.reason(process.returncode))
    if process.returncode:
        raise CommandFailed(output.reason(process.returncode))


class _Output:
    """Reads the output of a command in a thread."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process
        self.progress: CommandProgress | None = None
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        # Read at all times: a full pipe would block the command.
        for line in self._process.stdout:
            if line.startswith(_MARK):
                self.progress = CommandProgress.from_dict(json.loads(line[1:]))
            elif line.strip():
                self.lines = [*self.lines, line.rstrip()][-_NUM_LINES:]

    def join(self) -> None:
        """Wait until the output is read to its end."""
        self._thread.join(_JOIN_TIMEOUT)

    def close(self) -> None:
        """Close the pipes."""
        self.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def reason(self, code: int) -> str:
        """Return the command's error message, or describe the end of a command without one."""
        # Commands print their own errors last, but libraries may warn afterwards at exit.
        for line in reversed(self.lines):
            if line.startswith("Error: "):
                return line.removeprefix("Error: ")
        last_line = self.lines[-1] if self.lines else "it printed nothing"
        return f"the command ended with exit code {code}: {last_line}"


def report(progress: CommandProgress) -> None:
    """Report the progress of this command to the process that started it."""
    sys.stdout.write(f"{_MARK}{json.dumps(progress.to_dict())}\n")
    # Output to a pipe is buffered by blocks otherwise.
    sys.stdout.flush()


def _end_with_parent() -> None:
    # Nothing comes but the end of the pipe. It is not read by sys.stdin, whose lock, held by this
    # thread, would block the interpreter's end.
    os.read(0, 1)
    os._exit(1)


def main() -> None:
    """Run the command that the arguments name."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    arguments = sys.argv[1:]
    while arguments[0] == _PLUGIN:
        load_file(arguments[1])
        del arguments[:2]

    module = arguments[0]

    # As if the module had been run by `python -m` itself.
    sys.argv = arguments
    with listening(lambda *progress: report(CommandProgress(*progress))):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
