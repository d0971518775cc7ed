"""Files of architectures in any format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from spaces import formats
from spaces.architecture import Architecture
from spaces.errors import InvalidArchitecture, InvalidFile, PathfitError
from spaces.files import read_text
from spaces.space import SearchSpace


def read_architectures(
    path: str | Path, space: SearchSpace, format_name: str | None = None
) -> list[Architecture]:
    """The architectures of a file: one in any format of `spaces.formats`, a JSON list of them, or
    one a line.

    Objects that hold one under `architecture`, as evaluations and the candidates of search results
    do, and objects that hold a list under `best`, as search results do, are taken too.

    Args:
        path: the file.
        space: what all must belong to.
        format_name: of all; None: detected for each.

    Raises:
        InvalidArchitecture: one cannot be read or is of another space; file and place are named.
        InvalidFile: the file cannot be read, or holds none.
    """
    text = read_text(path)
    try:
        return [_read(Path(path), space, format_name)]
    except PathfitError as error:
        whole = error
    parts = list(_parts(text))
    if not parts:
        raise InvalidFile(f"{path} holds no architecture")
    if len(parts) == 1 and parts[0][1].strip() == text.strip():
        raise whole
    found = []
    for place, part in parts:
        try:
            found.append(_read(part, space, format_name))
        except PathfitError as error:
            raise InvalidArchitecture(f"{path}, {place}: {error}") from error
    return found


def _read(given: str | Path, space: SearchSpace, format_name: str | None) -> Architecture:
    architecture = formats.read(given, format_name, space)
    space.encode([architecture])
    return architecture


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Place and text of each architecture of a file of several."""
    try:
        values = _listed(json.loads(text))
        yield from (
            (f"architecture {number}", _text(value)) for number, value in enumerate(values, 1)
        )
    except json.JSONDecodeError:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"line {number}", _line(line)


def _listed(value: object) -> list[object]:
    if isinstance(value, dict):
        inner = value.get("result", value)  # a job as the service answers it
        best = inner.get("best") if isinstance(inner, dict) else None
        return best if isinstance(best, list) else [value]
    return value if isinstance(value, list) else [value]


def _line(line: str) -> str:
    try:
        return _text(json.loads(line))
    except json.JSONDecodeError:
        return line.strip()


def _text(value: object) -> str:
    if isinstance(value, dict) and "architecture" in value:
        value = value["architecture"]
    return value if isinstance(value, str) else json.dumps(value)
