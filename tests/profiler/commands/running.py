"""Runs of the commands."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from profiler.commands import main

ROOT = Path(__file__).resolve().parents[3]


Built = tuple[Path, "subprocess.CompletedProcess[str]"]


RunProfiler = Callable[..., "subprocess.CompletedProcess[str]"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


TINIEST = "spos-tiny(input_size=16, repeats=(1, 1, 1))"
