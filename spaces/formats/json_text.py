"""JSON read strictly: no key twice, no number that JSON does not know."""

from __future__ import annotations

import json
from typing import Any

from spaces.errors import InvalidFile


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        InvalidFile: not JSON, a key stands twice in one object, or a number is NaN or infinite.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, ValueError) else "nested too deeply"
        raise InvalidFile(f"not JSON: {reason}") from error


def parse_object(text: str, what: str) -> dict[str, Any]:
    """The JSON object of `text`; raises InvalidFile, which calls it `what`, where it is none or
    empty.
    """
    value = parse_json(text)
    if not isinstance(value, dict) or not value:
        raise InvalidFile(f"{what} is a JSON object with at least one key, not {value!r:.60}")
    return value


def try_json(text: str) -> Any:
    """The value of a JSON text; None where it is not JSON."""
    try:
        return parse_json(text)
    except InvalidFile:
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidFile(f"the key {key!r} stands twice")
        found[key] = value
    return found


def _refuse(name: str) -> Any:
    raise InvalidFile(f"not JSON: {name} is not a number that JSON knows")
