"""Running the product's own commands as processes that end with the quickstart."""

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


def run(commands: Sequence[Sequence[str]], log: Path, shown: bool = True) -> None:
    """Run commands at the same time; the first shows its progress, all others write to `log`.

    Args:
        commands: each the arguments of `python -m`.
        log: a file; what the hidden commands print.
        shown: whether the first is shown; if not, it writes to `log` too.

    Raises:
        CommandFailed: one ended with an error; the others are stopped.
    """
    with contextlib.ExitStack() as stack:
        hidden = stack.enter_context(open(log, "w", encoding="utf-8"))
        processes = [
            stack.enter_context(started(command, None if shown and index == 0 else hidden))
            for index, command in enumerate(commands)
        ]
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
    """A running `python -m COMMAND`, which is ended when the block is left.

    Args:
        command: the arguments of `python -m`.
        output: takes its output and its errors; None leaves both on the terminal, subprocess.PIPE
            gives a pipe.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output in (None, subprocess.PIPE) else output,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[str], patience_s: float = 5.0) -> None:
    """End a process: ask first, then kill."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
