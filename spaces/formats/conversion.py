"""Reading and writing of architectures in any format, named or detected."""

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

# Characters that occur in architectures, and hardly in the name of a file.
_TEXT = re.compile(r"[\[\](){}|,\n\0]")

# Longer text is the content of a file, not its path.
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
        text_or_path: Text of the architecture, or the file that holds it.
        format: Name from `available()`; None to detect the format.
        space: Space of the architecture, for formats that do not name it.
        input_size: Height and width of the images in pixels, for formats that do not state it.

    Raises:
        InvalidFile: The file cannot be read or is not in the format.
        InvalidArchitecture: A choice or candidate is missing, unexpected or unknown; it is named.
        UnknownName: The format or the space does not exist.

    Example:
        >>> read("(0, 1, 2, 3, 0, 1)", space="spos-tiny").choices["layer_2"]
        'k5'
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
    """Return the text of an architecture.

    Args:
        architecture: Architecture to write.
        format: Name from `available()`.
        space: Space of the architecture, where that is not a registered one.

    Raises:
        InvalidArchitecture: The architecture does not belong to the space, or the format cannot
            express it.
        UnknownName: The format does not exist.

    Example:
        >>> import spaces
        >>> architecture = spaces.get("spos-tiny").architecture([0, 1, 2, 3, 0, 1])
        >>> write(architecture, "spos")
        '(0, 1, 2, 3, 0, 1)'
    """
    writer = registry.get(format)
    space = space or get(architecture.space)

    # By way of codes, so that a choice which the space does not have is refused here.
    (architecture,) = space.decode(space.encode([architecture]))
    return writer.write(architecture, space)


def names_space(
    text: str,
    architecture: Architecture,
    format: str | None = None,  # noqa: A002 (the public name)
    path: Path | None = None,
) -> bool:
    """Return whether a text alone, without the name of a space, reads back as its architecture.

    Most formats of other projects state choices but no space: their readers then take the
    published one, or ask for a name.

    Args:
        text: Text that `write` returned.
        architecture: Architecture that was written.
        format: Name of the text's format; None to detect it.
        path: File that holds the text, for formats with a second file next to it; None for a text
            without a file.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> small = spaces.get("spos(input_size=32)").sample(np.random.default_rng(0))
        >>> names_space(write(small, "spos"), small)
        False
        >>> names_space(write(small, "pathfit"), small)
        True
    """
    try:
        return parse(text, format, path=path) == architecture
    except PathfitError:
        return False


def detect(text: str) -> str:
    """Return the name of the format of a text.

    Raises:
        InvalidFile: The text is in no format, or a file of another kind, such as a search space.

    Example:
        >>> detect("(0, 1, 2, 3, 0, 1)")
        'spos'
    """
    _refuse_other_files(text)
    stripped = text.strip()
    value = try_json(stripped)
    for name in registry.FORMATS:
        if registry.get(name).detects(stripped, value):
            return name

    raise InvalidFile(
        f"{stripped[:40]!r} is in no format of an architecture; the formats are:"
        f" {', '.join(registry.available())}"
    )


def _refuse_other_files(text: str) -> None:
    if _NNI_CONFIG.search(text):
        raise InvalidFile("this is the configuration of an NNI experiment, not an architecture")
    if nni_search_space.detects(try_json(text)):
        raise InvalidFile(
            "this is an NNI search space, not an architecture; spaces.formats.read_search_space"
            " reads its choices"
        )


def _path(text_or_path: str | Path) -> Path | None:
    if isinstance(text_or_path, Path):
        return text_or_path
    # Not Path.is_file: it raises where the text is too long for a name.
    if os.path.isfile(text_or_path):  # noqa: PTH113
        return Path(text_or_path)

    # A name of a missing file is a path as well, so that the error is about the file.
    is_text = _TEXT.search(text_or_path) or not text_or_path.strip()
    return None if is_text or len(text_or_path) > _LONGEST_PATH else Path(text_or_path)
