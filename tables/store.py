"""Finding lookup tables by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from spaces.errors import UnknownName
from tables.errors import InvalidTable
from tables.lookup_table import LookupTable

DEFAULT_FOLDER = Path("runs/tables")
"""Where the profiler writes tables unless told otherwise."""


def folders() -> list[Path]:
    """Where tables are looked up by name: PATHFIT_TABLES, runs/tables, and those that come with
    Pathfit.
    """
    named = [Path(part) for part in os.environ.get("PATHFIT_TABLES", "").split(os.pathsep) if part]
    return [*named, DEFAULT_FOLDER, Path(__file__).with_name("data")]


def available(extra: tuple[Path, ...] = ()) -> dict[str, Path]:
    """Name -> file of every table that `load` finds; the first folder wins where two hold the same
    name.
    """
    found: dict[str, Path] = {}
    for folder in (*extra, *folders()):
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            found.setdefault(path.stem, path)
    return found


def load(name: str | Path, extra: tuple[Path, ...] = ()) -> LookupTable:
    """The table of a name or of a path.

    Args:
        name: a name (a file's name without `.json` in one of `folders()`), or a path that ends in
            `.json`.
        extra: folders that are looked in first.

    Raises:
        UnknownName: no such table; the names that exist.
        InvalidTable: the file is not a lookup table.
    """
    text = str(name)
    if text.endswith(".json") or os.sep in text:
        if not Path(text).is_file():
            raise InvalidTable(f"there is no table at {text}")
        return LookupTable.read(text)
    known = available(extra)
    if text not in known:
        raise UnknownName("table", text, known)
    return LookupTable.read(known[text])
