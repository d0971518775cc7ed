"""Lookup of tables by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from spaces.errors import UnknownName
from spaces.files import text_suffix
from tables.errors import InvalidTable
from tables.lookup_table import LookupTable

DEFAULT_FOLDER = Path("runs/tables")
"""Folder that the profiler writes tables to by default."""


def folders() -> list[Path]:
    """Return the folders to search: PATHFIT_TABLES, runs/tables, and Pathfit's own tables."""
    paths = os.environ.get("PATHFIT_TABLES", "").split(os.pathsep)

    # An empty entry, as after a trailing separator, is no folder.
    named = [Path(path) for path in paths if path]
    return [*named, DEFAULT_FOLDER, Path(__file__).with_name("data")]


def available(extra: tuple[Path, ...] = ()) -> dict[str, Path]:
    """Return the lookup tables that `load` finds by name.

    Where two folders have a table of the same name, the first one counts.

    Args:
        extra: Folders to search before `folders()`.

    Returns:
        Name -> file.

    Example:
        >>> import tables
        >>> "amd-epyc-spos-b1-fp32-t2" in tables.available()
        True
    """
    files: dict[str, Path] = {}
    for folder in (*extra, *folders()):
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            files.setdefault(path.stem, path)
    return files


def load(name: str | Path, extra: tuple[Path, ...] = ()) -> LookupTable:
    """Load a lookup table.

    Args:
        name: Name of a table (a file's name without `.json` in one of `folders()`), or a path that
            ends in `.json` or `.json.gz`.
        extra: Folders to search before `folders()`.

    Raises:
        UnknownName: No table has this name; the message lists the names.
        InvalidTable: The file does not exist or is not a lookup table.

    Example:
        >>> import tables
        >>> tables.load("amd-epyc-spos-b1-fp32-t2").space
        'spos'
    """
    text = str(name)
    # A path is read as it is, also where a folder has a table of this name.
    if text_suffix(text) == ".json" or os.sep in text:
        if not Path(text).is_file():
            raise InvalidTable(f"there is no table at {text}")
        return LookupTable.read(text)

    files = available(extra)
    if text not in files:
        raise UnknownName("table", text, files)
    return LookupTable.read(files[text])
