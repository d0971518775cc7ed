"""Collections: JSON files that hold several architectures."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Collection: TypeAlias = Callable[[Mapping[str, Any], bool], list[Any] | None]
"""Takes a JSON object, and whether all architectures are requested rather than the best ones.

Returns their JSON objects, best first, or None where the object is no such collection. Raises
InvalidFile where it is one with a fault.
"""

_COLLECTIONS = {"search-result": "spaces.formats.search_result:architectures_of"}


def register_collection(name: str, target: str) -> None:
    """Register a collection that `read_architectures` reads.

    Args:
        name: Name of the kind of file, such as "search-result".
        target: `MODULE:FUNCTION` of a `Collection`; it is imported when a file is read.
    """
    _COLLECTIONS[name] = target


def collected(value: object, every: bool) -> list[Any] | None:
    """Return the architectures of a JSON value as JSON objects; None where no collection fits."""
    if not isinstance(value, Mapping):
        return None
    for target in _COLLECTIONS.values():
        module, _, function = target.partition(":")
        collection: Collection = getattr(importlib.import_module(module), function)
        values = collection(value, every)
        if values is not None:
            return values
    return None
