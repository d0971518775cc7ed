"""Reading and writing architectures in any format, named or detected."""

from __future__ import annotations

import os
import re
from pathlib import Path

from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture, InvalidFile, PathfitError
from spaces.files import read_text
from spaces.formats import registry
from spaces.formats.format import Source
from spaces.formats.json_text import try_json
from spaces.formats.nni import search_space as nni_search_space
from spaces.registry import get

_TEXT = re.compile(r"[\[\](){}|,\n\0]")
_LONGEST_PATH = 1000
_NNI_CONFIG = re.compile(
    r"^(searchSpacePath|trialConcurrency|trainingServicePlatform|experimentName)\s*:", re.MULTILINE
)


def read(
    text_or_path: str | Path,
    format: str | None = None,  # noqa: A002 (the public name)
    space: ChoiceSpace | str | None = None,
    input_size: int | None = None,
) -> Architecture:
    """Read one architecture.

    Args:
        text_or_path: the text, or the file that holds it.
        format: a name from `available()`; None: detected.
        space: the space that it belongs to, for formats that do not say it.
        input_size: height and width of the images in pixels, for formats that do not say it.

    Raises:
        InvalidFile: the file cannot be read or is not in the format.
        InvalidArchitecture: a choice or candidate is missing, unexpected or unknown; it is named.
        UnknownName: the format or space does not exist.
    """
    if isinstance(space, str):
        space = get(space)

    path = _path(text_or_path)
    if path is None:
        return parse(str(text_or_path), format, space, input_size)
    if format is not None:
        # A wrong name is no fault of the file.
        registry.get(format)
    text = read_text(path)
    try:
        return parse(text, format, space, input_size, path)
    except PathfitError as error:
        kind = InvalidFile if isinstance(error, InvalidFile) else InvalidArchitecture
        raise kind(f"{path}: {error}") from error


def parse(
    text: str,
    format: str | None = None,  # noqa: A002 (the public name)
    space: ChoiceSpace | None = None,
    input_size: int | None = None,
    path: Path | None = None,
) -> Architecture:
    """Read one architecture from a text, which is never taken for the name of a file.

    Args:
        text: Content of a file.
        format: Name of the format; None to detect it.
        space: Space of the architecture, for formats that do not name it.
        input_size: Height and width of the images in pixels, for formats that do not state it.
        path: File that the text comes from, for formats with a second file next to it.

    Raises:
        InvalidFile, InvalidArchitecture, UnknownName: As `read`, without the name of the file.
    """
    _refuse_other_files(text)
    reader = registry.get(format or detect(text))
    return reader.read(Source(text.strip(), path, space, input_size))


def write(
    architecture: Architecture,
    format: str,  # noqa: A002 (the public name)
    space: ChoiceSpace | None = None,
) -> str:
    """The text of an architecture.

    Args:
        architecture: what to write.
        format: a name from `available()`.
        space: the space that it belongs to, where that is not a registered one.

    Raises:
        InvalidArchitecture: it does not belong to the space, or the format has no way to say it.
        UnknownName: the format does not exist.
    """
    chosen = registry.get(format)
    wanted = space or get(architecture.space)
    return chosen.write(wanted.decode(wanted.encode([architecture]))[0], wanted)


def detect(text: str) -> str:
    """The name of the format that a text is in.

    Raises:
        InvalidFile: it is in none, or a file of another kind, such as a search space.
    """
    _refuse_other_files(text)
    stripped = text.strip()
    value = try_json(stripped)
    for name in registry.FORMATS:
        if registry.get(name).detects(stripped, value):
            return name
    raise InvalidFile(
        f"{stripped[:40]!r} is in no format of an architecture; there is: {registry.available()}"
    )


def _refuse_other_files(text: str) -> None:
    if _NNI_CONFIG.search(text):
        raise InvalidFile("this is the configuration of an NNI experiment, not an architecture")
    if nni_search_space.detects(try_json(text)):
        raise InvalidFile(
            "this is an NNI search space, not an architecture; spaces.formats.read_search_space"
            " reads its choices"
        )


def _path(given: str | Path) -> Path | None:
    if isinstance(given, Path):
        return given
    # Not Path.is_file: it raises where the text is too long for a name.
    if os.path.isfile(given):  # noqa: PTH113
        return Path(given)
    return (
        None
        if _TEXT.search(given) or not given.strip() or len(given) > _LONGEST_PATH
        else Path(given)
    )
