"""Commands show warnings of Pathfit, and of libraries only where a user requests them."""

import logging
import subprocess
import sys
import warnings
from pathlib import Path

from spaces.console.library_warnings import hidden_library_warnings

ROOT = Path(__file__).resolve().parents[3]
COMMAND = """
import logging, warnings
import click
from spaces.console.group import Group
from spaces.errors import PathfitWarning

@click.group(cls=Group)
def main(): pass

@main.command()
def work():
    warnings.warn("of a library")
    warnings.warn("of Pathfit", PathfitWarning)
    logging.getLogger("torch.onnx").warning("log of a library")
    logging.getLogger("oneshot.data").warning("log of Pathfit")
    logging.getLogger("torch.onnx").error("error of a library")

main(["work"])
"""


def shown(*options: str) -> str:
    command = [sys.executable, *options, "-c", COMMAND]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stderr


def test_commands_hide_warnings_of_libraries() -> None:
    text = shown()
    assert "PathfitWarning: of Pathfit" in text
    assert "log of Pathfit" in text
    assert "error of a library" in text
    assert "UserWarning: of a library" not in text
    assert "log of a library" not in text


def test_the_warnings_that_a_user_requests_are_shown() -> None:
    assert "UserWarning: of a library" in shown("-W", "default")


def test_warnings_are_shown_again_after_the_block() -> None:
    before = warnings.showwarning
    with hidden_library_warnings():
        assert warnings.showwarning is not before or sys.warnoptions
    assert warnings.showwarning is before
    assert logging.lastResort is not None
    assert not logging.lastResort.filters
