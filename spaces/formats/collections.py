"""Collections: JSON files that hold several architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from spaces.plugins import Registry

Collection: TypeAlias = Callable[[Mapping[str, Any], bool], list[Any] | None]
"""Takes a JSON object, and whether all architectures are requested rather than the best ones.

Returns their JSON objects, best first, or None where the object is no such collection. Raises
InvalidFile where it is one with a fault.
"""

COLLECTIONS = Registry[Collection](
    "collection", built_in={"search-result": "spaces.formats.search_result:architectures_of"}
)
"""Name of the kind of file -> function that returns its architectures."""

C = TypeVar("C", bound=Collection)


def register_collection(name: str) -> Callable[[C], C]:
    """Return a decorator that registers a `Collection`, which `read_architectures` then reads.

    Args:
        name: Name of the kind of file, such as "search-result"; it can be taken once.
    """
    return COLLECTIONS.register(name)


def collected(value: object, every: bool) -> list[Any] | None:
    """Return the architectures of a JSON value as JSON objects; None where no collection fits."""
    if not isinstance(value, Mapping):
        return None
    for name in COLLECTIONS:
        values = COLLECTIONS.get(name)(value, every)
        if values is not None:
            return values
    return None
