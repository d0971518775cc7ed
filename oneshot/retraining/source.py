"""The architecture to retrain: from a file, a search result, a job or a published name."""

from __future__ import annotations

from pathlib import Path

from oneshot.errors import InvalidOption
from spaces.architecture import Architecture
from spaces.errors import InvalidFile, InvalidParameter
from spaces.formats.files import adopted, read_architecture
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
    """Read one architecture from a file or by a published name.

    Args:
        source: File that `spaces.formats.read_architectures` reads, such as a search result or a
            job as the service answers it; or the name of a published network.
        space: Space of the architecture, where the format does not name it, or for the same choices
            with other parameters, such as `spos(input_size=32)`; None for the space of the file.
        format: Name of the format, from `spaces.formats.available()`; None to detect it.
        index: Index of the architecture in a file of several; 0 is the best or the first.

    Raises:
        InvalidFile: The file cannot be read or holds no architecture.
        InvalidArchitecture: The choices are not those of the space.
        InvalidOption: The index is out of range.
        UnknownName: The format or the space does not exist.
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
    try:
        return read_architecture(source, space, format, index=index, adopt=True)
    except InvalidParameter as error:
        raise InvalidOption(str(error)) from error


def deployed(architecture: Architecture) -> Architecture:
    """Return the architecture in the space whose networks are trained from scratch.

    A search may take place in a smaller network, as that of DARTS does (arXiv 1806.09055, section
    3.2): its space names the one of the larger networks. Most spaces are their own.

    Example:
        >>> import spaces
        >>> searched = spaces.get("darts-search").architecture([0] * 24)
        >>> deployed(searched).space
        'darts'
    """
    space = get(architecture.space)
    return adopted(architecture, space.network_space)
