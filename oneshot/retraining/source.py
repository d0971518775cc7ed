"""Architectures from whatever holds one: files of any system, search results, a service's jobs,
published names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from oneshot.errors import InvalidOption
from oneshot.search.result import FORMAT
from spaces import formats
from spaces.architecture import Architecture
from spaces.errors import InvalidArchitecture, InvalidFile, PathfitError
from spaces.files import read_text
from spaces.registry import get
from spaces.space import SearchSpace
from spaces.zoo.publications import published, published_names


def read_source(
    source: str | Path,
    *,
    space: SearchSpace | str | None = None,
    format: str | None = None,  # noqa: A002 (the name that spaces.formats has)
    index: int = 0,
) -> Architecture:
    """The architecture that a file or a name stands for.

    Args:
        source: a file in a format of `spaces.formats`, a search result, a job as the service
            answers it, lines of architectures' JSON (as `derive` writes them, or evaluations); or
            the name of a published network.
        space: that it is to belong to: where the format does not say it, or for the same choices
            with other parameters, such as `spos(input_size=32)`.
        format: a name from `spaces.formats.available()`; None: detected.
        index: which architecture of several, 0 being the best or the first.

    Raises:
        InvalidFile: the file cannot be read or holds no architecture.
        InvalidArchitecture: the choices are not the space's.
        InvalidOption: there are fewer architectures than `index` asks for.
        UnknownName: the format or the space does not exist.
    """
    wanted = get(space) if isinstance(space, str) else space
    if not Path(source).exists() and str(source) in published_names():
        return _at_home(_only(published(str(source)), index, str(source)), wanted)
    if not Path(source).is_file():
        raise InvalidFile(
            f"{source} is no file, and no published network: {', '.join(published_names())}"
        )
    text = read_text(source)
    try:
        several = None if format is not None else _several(text)
    except PathfitError as error:
        raise InvalidFile(f"{source}: {error}") from error
    if several is None:
        return _at_home(
            _only(_read(Path(source), text, format, wanted), index, str(source)), wanted
        )
    if not 0 <= index < len(several):
        raise InvalidOption(
            f"index: {source} holds {len(several)} architectures, counted from 0, and no {index}"
        )
    try:
        return _at_home(Architecture.from_dict(several[index]), wanted)
    except PathfitError as error:
        raise InvalidArchitecture(f"{source}, architecture {index}: {error}") from error


def _read(
    path: Path, text: str, format_name: str | None, space: SearchSpace | None
) -> Architecture:
    # Pathfit's own format says its space, which may have other parameters than the one that is
    # wanted.
    try:
        own = (format_name or formats.detect(text)) == "pathfit"
    except PathfitError:
        own = False  # `read` says what is wrong, and names the file
    return formats.read(path, format_name, None if own else space)


def _several(text: str) -> list[Any] | None:
    """JSON objects of architectures, best first; None where the text is one architecture or no JSON
    of ours.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return _lines(text)
    if isinstance(value, list):
        return value if value and all(isinstance(one, dict) for one in value) else None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("result"), dict):
        value = value["result"]  # a job as the service answers it
    if value.get("format") != FORMAT:
        return [value["architecture"]] if isinstance(value.get("architecture"), dict) else None
    try:
        if "candidates" in value:
            return [
                one.to_dict()
                for one in get(value["space"]).decode(np.array(value["candidates"]["codes"]))
            ]
        return [one["architecture"] for one in value["best"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InvalidFile(f"not a search result: {error!r}") from error


def _lines(text: str) -> list[Any] | None:
    try:
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return None
    if not values or not all(isinstance(value, dict) for value in values):
        return None
    return [value.get("architecture", value) for value in values]


def _only(architecture: Architecture, index: int, source: str) -> Architecture:
    if index:
        raise InvalidOption(f"index: {source} is one architecture, 0, and has no {index}")
    return architecture


def _at_home(architecture: Architecture, space: SearchSpace | None) -> Architecture:
    """The architecture's choices in `space` (None: its own)."""
    if space is None or architecture.space == space.name:
        return architecture
    try:
        return space.architecture(architecture.choices)
    except InvalidArchitecture as error:
        raise InvalidArchitecture(
            f"an architecture of {architecture.space} has other choices than {space.name}: {error}"
        ) from error
