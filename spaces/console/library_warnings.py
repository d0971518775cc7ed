"""Warnings of libraries, which are meant for programmers and not for users of a command."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

from spaces.console.ownership import PACKAGES
from spaces.errors import PathfitWarning


@contextlib.contextmanager
def hidden_library_warnings() -> Iterator[None]:
    """Show only Pathfit's warnings and log records within the block, and errors of libraries.

    Where Python's -W or PYTHONWARNINGS is set, warnings are shown as that demands.
    """
    show = warnings.showwarning

    def show_own(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, PathfitWarning):
            show(message, category, filename, lineno, file, line)

    if not sys.warnoptions:
        warnings.showwarning = show_own

    # The handler of all loggers that have none, such as torch's.
    handler = logging.lastResort
    if handler is not None:
        handler.addFilter(_is_shown)
    try:
        yield
    finally:
        warnings.showwarning = show
        if handler is not None:
            handler.removeFilter(_is_shown)


def _is_shown(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or record.name.partition(".")[0] in PACKAGES
