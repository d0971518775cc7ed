"""Strict reading of JSON: no key twice, no number that JSON does not have."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from spaces.errors import InvalidFile
from spaces.files import read_text


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        InvalidFile: The text is not JSON, a key occurs twice in one object, or a number is NaN,
            infinite or too large for a float.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_int=bounded_int
        )
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, ValueError) else "nested too deeply"
        raise InvalidFile(f"not JSON: {reason}") from error


def read_json(path: str | Path) -> Any:
    """Return the value of a JSON file, compressed by gzip or not.

    Raises:
        InvalidFile: The file cannot be read or is not JSON, as `parse_json` says; it is named.
    """
    text = read_text(path)
    try:
        return parse_json(text)
    except InvalidFile as error:
        raise InvalidFile(f"{path}: {error}") from error


def bounded_int(text: str) -> int:
    """Return the integer of a JSON text; an argument `parse_int` of `json.loads`.

    Raises:
        ValueError: The integer is too large for a float.

    Example:
        >>> json.loads("[7, 8]", parse_int=bounded_int)
        [7, 8]
    """
    # Python itself raises at several later steps: int() beyond 4300 digits, float() beyond 308.
    if math.isinf(float(text)):
        raise ValueError(f"the integer {text[:20]}... of {len(text)} digits is too large")
    return int(text)


def parse_object(text: str, title: str) -> dict[str, Any]:
    """Return the JSON object of a text.

    Args:
        text: JSON.
        title: Name of such an object for errors, such as "a sample of an NNI tuner".

    Raises:
        InvalidFile: The text is not JSON, no object, or an empty one.
    """
    value = parse_json(text)
    if not isinstance(value, dict) or not value:
        raise InvalidFile(f"{title} is a JSON object with at least one key, not {value!r:.60}")
    return value


def try_json(text: str) -> Any:
    """Return the value of a JSON text; None where it is not JSON."""
    try:
        return parse_json(text)
    except InvalidFile:
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        # json would keep the last one, and so hide a mistake.
        if key in value:
            raise InvalidFile(f"the key {key!r} occurs twice")
        value[key] = item
    return value


def _refuse(name: str) -> Any:
    raise InvalidFile(f"not JSON: {name} is not a number of JSON")
