"""Networks that papers published, as named architectures."""

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
)

Entry: TypeAlias = tuple[str, Mapping[str, Any] | Sequence[int]]


def published_names(space: str | None = None) -> list[str]:
    """The names of the published networks.

    Args:
        space: only those of this space, whatever its parameters; None: all.
    """
    return [
        name
        for name, (owner, _) in _entries().items()
        if space is None or family_of(owner) == family_of(space)
    ]


def published(name: str) -> Architecture:
    """A published network, such as `proxyless-mobile`; raises UnknownName."""
    entries = _entries()
    if name not in entries:
        raise UnknownName("published network", name, entries)
    space, choices = entries[name]
    return get(space).architecture(choices)


def _entries() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for module in _MODULES:
        found.update(getattr(importlib.import_module(f"spaces.zoo.{module}"), "PUBLISHED", {}))
    return found
