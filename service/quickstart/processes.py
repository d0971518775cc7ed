"""Running Pathfit's commands as processes that end with the quickstart."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from spaces.errors import PathfitError


class CommandFailed(PathfitError):
    """A command of the quickstart ended with an error."""


def run(commands: Sequence[Sequence[str]], log: Path, show_progress: bool = True) -> None:
    """Run commands at the same time; the first shows its progress, all others write to a log.

    Args:
        commands: Arguments of `python -m` for each command.
        log: File of the log.
        show_progress: Whether the first command shows its progress. Otherwise it writes to the log
            too.

    Raises:
        CommandFailed: A command ended with an error; the others are stopped.
    """
    with contextlib.ExitStack() as stack:
        log_file = stack.enter_context(open(log, "w", encoding="utf-8"))
        processes = []
        for index, command in enumerate(commands):
            output = None if show_progress and index == 0 else log_file
            processes.append(stack.enter_context(started(command, output)))
        for command, process in zip(commands, processes, strict=True):
            if process.wait() != 0:
                raise CommandFailed(
                    f"python -m {' '.join(command)} ended with exit code {process.returncode} (log:"
                    f" {log})"
                )


@contextlib.contextmanager
def started(
    command: Sequence[str], output: IO[str] | int | None
) -> Iterator[subprocess.Popen[str]]:
    """Start `python -m COMMAND`, and stop it at the end of the block.

    Args:
        command: Arguments of `python -m`.
        output: File of its output and its errors. None leaves both on the terminal;
            subprocess.PIPE gives a pipe for the output alone.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output in (None, subprocess.PIPE) else output,
        text=True,
        # Otherwise the line with the service's URL would wait in a buffer.
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[str], patience_s: float = 5.0) -> None:
    """Terminate a process, and kill it if it does not end in time."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    if process.stdout is not None:
        process.stdout.close()
