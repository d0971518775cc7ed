"""Networks of papers, as named architectures."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from spaces.architecture import Architecture
from spaces.choice_space import family_of
from spaces.errors import UnknownName
from spaces.registry import get

_MODULES = (
    "spos",
    "proxylessnas",
    "ofa",
    "fbnet",
    "nasbench_macro",
    "nasbench201",
    "nasbench101",
    "darts",
    "binary_resnet",
    "dense_cells",
    "rnn",
)

Entry: TypeAlias = tuple[str, Mapping[str, Any] | Sequence[int]]
"""Name of a space, and the choices or codes of an architecture."""


def published_names(space: str | None = None) -> list[str]:
    """Return the names of the published networks.

    Args:
        space: Name of a space; its parameters do not matter. None: networks of all spaces.

    Example:
        >>> published_names("fbnet")
        ['fbnet-a', 'fbnet-b', 'fbnet-c']
    """
    return [
        name
        for name, (owner, _) in _entries().items()
        if space is None or family_of(owner) == family_of(space)
    ]


def published(name: str) -> Architecture:
    """Return a published network.

    Args:
        name: Name of the network, such as `proxyless-mobile`.

    Raises:
        UnknownName: There is no such network.

    Example:
        >>> published("nasbench201-resnet")["edge_0_1"]
        'nor_conv_3x3'
    """
    entries = _entries()
    if name not in entries:
        raise UnknownName("published network", name, entries)
    space, choices = entries[name]
    return get(space).architecture(choices)


def _entries() -> dict[str, Entry]:
    # A module of the zoo without published networks has no table.
    entries: dict[str, Entry] = {}
    for module in _MODULES:
        entries.update(getattr(importlib.import_module(f"spaces.zoo.{module}"), "PUBLISHED", {}))
    return entries
