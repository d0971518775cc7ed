"""Work of requests that needs torch, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from service.jobs import JsonObject
from service.operation.scratch import temporary_folder
from service.problems import Problem, busy

TIMEOUT_S = 300.0
"""Seconds that the work may take."""


def run_apart(module: str, request: JsonObject, filename: str, work: str, kind: str) -> bytes:
    """Run a module that writes a file, and return the file's content.

    Args:
        module: Module, which `python -m` runs with the path of the file as its argument and the
            request as JSON on standard input.
        request: The request.
        filename: Name of the file.
        work: Name of the work in error messages, such as `the export`.
        kind: Kind of the problem where the module fails, such as `not-exportable`.

    Raises:
        Problem: The work takes too long, or fails; the message has the module's reason.
    """
    with temporary_folder() as folder:
        path = folder / filename
        try:
            process = subprocess.run(
                [sys.executable, "-m", module, str(path)],
                input=json.dumps(request),
                text=True,
                capture_output=True,
                timeout=TIMEOUT_S,
                # The other cores are for the jobs.
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise busy(f"{work} takes longer than {TIMEOUT_S:.0f} s", 60) from error

        if process.returncode:
            # The last line of a traceback is the error's message.
            reason = (process.stderr.strip().splitlines() or ["no reason"])[-1]
            title = kind.replace("-", " ").capitalize()
            raise Problem(409, kind, title, f"{work} failed: {reason:.300}")

        return path.read_bytes()
