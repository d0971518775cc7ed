"""Search results as collections of architectures; `oneshot.search.result` has all fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spaces.errors import InvalidFile
from spaces.registry import get

FORMAT = "pathfit-search-result"
"""Value of the key `format` of a search result."""


def architectures_of(value: Mapping[str, Any], every: bool) -> list[Any] | None:
    """Return the architectures of a search result's JSON object, best first.

    `spaces.formats.read_architectures` calls it for every JSON file. A job as the service answers
    it, which holds its result, is taken too.

    Args:
        value: JSON object of a file.
        every: Whether every candidate is returned rather than the best alone.

    Returns:
        JSON objects of architectures; None where the object is no search result.

    Raises:
        InvalidFile: The object is a search result without its architectures.
    """
    job_result = value.get("result")
    if isinstance(job_result, Mapping):
        value = job_result
        if value.get("format") != FORMAT and isinstance(value.get("architecture"), Mapping):
            # A retraining's result.
            return [value["architecture"]]

    if value.get("format") != FORMAT and not isinstance(value.get("best"), list):
        return None

    try:
        if every and "candidates" in value:
            space = get(value["space"])
            architectures = space.decode(np.array(value["candidates"]["codes"]))
            return [architecture.to_dict() for architecture in architectures]
        return [candidate["architecture"] for candidate in value["best"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InvalidFile(f"not a search result: {error!r}") from error
