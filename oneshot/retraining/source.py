"""Architectures from whatever holds one: files of any system, search results, a service's jobs,
published names.
"""

from __future__ import annotations

from pathlib import Path

from oneshot.errors import InvalidOption
from spaces.architecture import Architecture
from spaces.errors import InvalidFile
from spaces.formats.files import ArchitectureFile, adopted
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
    if isinstance(space, str):
        space = get(space)

    if not Path(source).exists() and str(source) in published_names():
        if index:
            raise InvalidOption(f"index: {source} is one architecture, 0, and has no {index}")
        architecture = published(str(source))
        return architecture if space is None else adopted(architecture, space)

    if not Path(source).is_file():
        raise InvalidFile(
            f"{source} is no file, and no published network: {', '.join(published_names())}"
        )
    architectures = ArchitectureFile(source, space, format, every=True, adopt=True, count_from=0)
    if not 0 <= index < len(architectures):
        raise InvalidOption(
            f"index: {source} holds {len(architectures)} architectures, counted from 0, and no"
            f" {index}"
        )
    return architectures[index]
