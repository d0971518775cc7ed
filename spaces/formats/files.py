"""Files of one or many architectures: any format, search results, evaluations, lists and lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from spaces.architecture import Architecture
from spaces.errors import InvalidArchitecture, InvalidFile, InvalidParameter, PathfitError
from spaces.files import read_text
from spaces.formats import conversion
from spaces.formats.collections import collected
from spaces.formats.json_text import bounded_int
from spaces.registry import get
from spaces.space import SearchSpace


def read_architectures(
    path: str | Path,
    space: SearchSpace | str | None = None,
    format: str | None = None,  # noqa: A002 (the public name)
    *,
    every: bool = False,
    adopt: bool = False,
) -> list[Architecture]:
    """Read all architectures of a file.

    The file holds one architecture in any format of `spaces.formats`, a JSON list of them, one per
    line, a list that aw_nas derived, or a registered collection such as a search result. Objects
    that hold an architecture under `architecture`, as evaluations and predictions do, are read too.

    Args:
        path: File to read.
        space: Space that every architecture must belong to; None for the space that the file names.
        format: Name of the format of every architecture, from `available()`; None to detect each.
        every: Whether a collection yields all of its architectures rather than the best.
        adopt: Whether an architecture of another space is carried over to `space` by its choices,
            such as from spos to spos(input_size=32), rather than refused.

    Raises:
        InvalidArchitecture: An architecture cannot be read or belongs to another space; the file
            and the position are named.
        InvalidFile: The file cannot be read or holds no architecture.
        UnknownName: The format or the space does not exist.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile("w", suffix=".txt") as file:
        ...     _ = file.write("(0, 1, 2, 3, 0, 1)\\n(3, 3, 3, 3, 3, 3)\\n")
        ...     file.flush()
        ...     len(read_architectures(file.name, "spos-tiny"))
        2
    """
    return list(ArchitectureFile(path, space, format, every=every, adopt=adopt))


def read_architecture(
    path: str | Path,
    space: SearchSpace | str | None = None,
    format: str | None = None,  # noqa: A002 (the public name)
    *,
    index: int = 0,
    adopt: bool = False,
) -> Architecture:
    """Read one architecture of a file that `read_architectures` reads.

    Args:
        path: File to read.
        space: Space that the architecture must belong to; None for the space that the file names.
        format: Name of the format, from `available()`; None to detect it.
        index: Index of the architecture in a file of several; 0 is the best or the first.
        adopt: Whether an architecture of another space is carried over to `space` by its choices.

    Raises:
        InvalidArchitecture: The architecture cannot be read or belongs to another space.
        InvalidFile: The file cannot be read or holds no architecture.
        InvalidParameter: The index is out of range.
        UnknownName: The format or the space does not exist.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile("w", suffix=".txt") as file:
        ...     _ = file.write("(0, 1, 2, 3, 0, 1)\\n(3, 3, 3, 3, 3, 3)\\n")
        ...     file.flush()
        ...     set(read_architecture(file.name, "spos-tiny", index=1).choices.values())
        {'xcep'}
    """
    architectures = ArchitectureFile(path, space, format, every=True, adopt=adopt, count_from=0)
    if not 0 <= index < len(architectures):
        raise InvalidParameter(
            f"index: {path} holds {len(architectures)} architectures, counted from 0, and no"
            f" {index}"
        )
    return architectures[index]


@dataclass(frozen=True)
class _Entry:
    """Text of one architecture in a file, with its position for errors."""

    position: str
    text: str
    format_name: str | None


class ArchitectureFile(Sequence[Architecture]):
    """The architectures of a file, each read when it is accessed.

    Args and errors are those of `read_architectures`; an architecture that cannot be read raises
    when it is accessed.

    Args:
        count_from: Number of the first architecture in errors.
    """

    def __init__(
        self,
        path: str | Path,
        space: SearchSpace | str | None = None,
        format: str | None = None,  # noqa: A002 (the public name)
        *,
        every: bool = False,
        adopt: bool = False,
        count_from: int = 1,
    ):
        self.path = Path(path)
        self.space = get(space) if isinstance(space, str) else space
        self.adopt = adopt
        self._single: Architecture | None = None

        text = read_text(path)
        try:
            entries = None if format is not None else _collection(text, every, count_from)
        except PathfitError as error:
            raise InvalidFile(f"{path}: {error}") from error

        if entries is not None:
            self._entries = entries
            if not entries:
                raise InvalidFile(f"{path}: it holds no architecture")
            return

        # A JSON list or several lines can be one architecture of a format too: that comes first.
        try:
            self._single = self._read(text, format, self.path)
        except PathfitError as error:
            self._entries = list(_entries(text, format, every, count_from))
            if not self._entries:
                raise InvalidFile(
                    f"{path}: it holds no architecture: {text.strip()[:40]!r} is in no format of an"
                    " architecture"
                ) from error
            if len(self._entries) == 1 and self._entries[0].text.strip() == text.strip():
                raise

    def __len__(self) -> int:
        return 1 if self._single is not None else len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Architecture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Architecture]: ...
    def __getitem__(self, index: int | slice) -> Architecture | list[Architecture]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        if self._single is not None:
            return [self._single][index]

        entry = self._entries[index]
        try:
            return self._read(entry.text, entry.format_name)
        except PathfitError as error:
            raise InvalidArchitecture(f"{self.path}, {entry.position}: {error}") from error

    def _read(self, text: str, format_name: str | None, path: Path | None = None) -> Architecture:
        """Read one architecture and check, or with `adopt` convert, its space."""
        if self.space is None or not self.adopt:
            architecture = _parse(text, format_name, self.space, path)

            # Encoding raises for an architecture of another space.
            if self.space is not None:
                self.space.encode([architecture])
            return architecture

        # Pathfit's own format names its space, whose parameters may differ from those of `space`.
        names_space = (format_name or _detected(text)) == "pathfit"
        space = None if names_space else self.space
        architecture = _parse(text, format_name, space, path)
        return adopted(architecture, self.space)


def adopted(architecture: Architecture, space: SearchSpace) -> Architecture:
    """Return the architecture of `space` with the same choices.

    The choices of a head are left out where `space` has another one, so that a classifier takes
    the backbone of a detector.

    Args:
        architecture: Architecture of any space.
        space: Space of the result.

    Raises:
        InvalidArchitecture: The space has other choices.
    """
    if architecture.space == space.name:
        return architecture

    choices = architecture.choices
    keys = {choice.key for choice in space.choices}
    if choices.keys() - keys and get(architecture.space).head != space.head:
        choices = {key: choices[key] for key in choices if key in keys}
    try:
        return space.architecture(choices)
    except InvalidArchitecture as error:
        raise InvalidArchitecture(
            f"an architecture of {architecture.space} has other choices than {space.name}: {error}"
        ) from error


def _parse(
    text: str, format_name: str | None, space: SearchSpace | None, path: Path | None
) -> Architecture:
    """Parse one architecture, from its text or from the file that contains only this text."""
    # Errors of `read` include the file's name.
    if path is not None:
        return conversion.read(path, format_name, space)
    return conversion.parse(text, format_name, space)


def _detected(text: str) -> str | None:
    """Return the name of a text's format; None if it is in no format."""
    try:
        return conversion.detect(text)
    except PathfitError:
        # `read` reports the error, with the name of the file.
        return None


def _collection(text: str, every: bool, count_from: int) -> list[_Entry] | None:
    """Return the entries of a registered collection; None where the text is none."""
    try:
        values = collected(json.loads(text, parse_int=bounded_int), every)
    except (ValueError, RecursionError):
        return None

    if values is None:
        return None

    # Collections hold Pathfit's own JSON, whose errors name the key at fault.
    return [
        _Entry(f"architecture {number}", json.dumps(value), "pathfit")
        for number, value in enumerate(values, count_from)
    ]


def _entries(text: str, format_name: str | None, every: bool, count_from: int) -> Iterator[_Entry]:
    """Yield the entries of a JSON text, a list of aw_nas, or the lines of any other text."""
    try:
        value = json.loads(text, parse_int=bounded_int)
    except (ValueError, RecursionError):
        listed = _items_of_list(text)
        for number, item in enumerate(listed, count_from):
            yield _Entry(f"architecture {number}", item, format_name)
        if listed:
            return

        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield _line_entry(f"line {number}", line.strip(), format_name)
        return

    values = collected(value, every)

    # A single JSON value counts as a list of one.
    if values is None:
        values = value if isinstance(value, list) else [value]
    for number, item in enumerate(values, count_from):
        yield _entry(f"architecture {number}", item, format_name)


def _items_of_list(text: str) -> list[str]:
    """Return the items of a YAML list of plain texts, as aw_nas derives it; empty: it is none.

    Each item begins with `- ` and may continue on indented lines; comments are left out.
    """
    items: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("- "):
            items.append(line[2:].strip())
        elif line[0].isspace() and items:
            items[-1] += f" {line.strip()}"
        else:
            return []

    return [item.strip("\"'") for item in items]


def _line_entry(position: str, line: str, format_name: str | None) -> _Entry:
    """Return the entry of one line, which may be JSON (JSON Lines) or text of any format."""
    try:
        return _entry(position, json.loads(line, parse_int=bounded_int), format_name)
    except (ValueError, RecursionError):
        return _Entry(position, line, format_name)


def _entry(position: str, value: Any, format_name: str | None) -> _Entry:
    """Return the entry of one JSON value."""
    # Evaluations and predictions contain their architecture under this key.
    if isinstance(value, dict) and "architecture" in value:
        value = value["architecture"]
    if isinstance(value, str):
        return _Entry(position, value, format_name)
    if format_name is None and isinstance(value, dict) and value.keys() & {"space", "choices"}:
        # Also where a key is missing: the format's own error names it.
        format_name = "pathfit"
    return _Entry(position, json.dumps(value), format_name)
