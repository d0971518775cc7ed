"""Types of options that name an output, which is checked before a command's work begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from spaces.errors import InvalidFile
from spaces.files import check_writable_file, check_writable_folder


class _Output(click.Path):
    """A path that a command writes to.

    Args:
        check: Raises InvalidFile where the path cannot be written.
        options: Arguments of `click.Path`.
    """

    is_output = True
    """Pipelines place the file in the folder of their run."""

    def __init__(self, check: Callable[[Path], None], **options: Any):
        super().__init__(path_type=Path, **options)
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            self._check(path)
        except InvalidFile as error:
            self.fail(str(error), param, ctx)
        return path


OUTPUT_FILE = _Output(check_writable_file, dir_okay=False)
"""A file that is written at once, aside and then renamed."""

# Lines are appended to the file itself, so that it must be writable too, not only its folder.
OUTPUT_LINES = _Output(check_writable_file, dir_okay=False, writable=True)
"""A file that grows line by line while the command works."""

OUTPUT_FOLDER = _Output(check_writable_folder, file_okay=False)
"""A folder of files, which need not exist."""
