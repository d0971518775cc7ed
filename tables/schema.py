"""Checks JSON values against the part of JSON Schema that `schema.json` uses.

Own code because a device that is only measured has no jsonschema; the tests hold both to the same
verdicts.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

from tables.errors import InvalidTable

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


_TOO_LARGE = 1 << 63
"""What no integer array holds; JSON itself knows no limit."""


@functools.cache
def table_schema() -> dict[str, Any]:
    """The schema of lookup tables."""
    schema: dict[str, Any] = json.loads(
        Path(__file__).with_name("schema.json").read_text(encoding="utf-8")
    )
    return schema


def check(value: Any, schema: dict[str, Any], place: str = "") -> None:
    """Raise InvalidTable that names the place and the value where `value` breaks `schema`."""
    where = place or "the table"
    if "enum" in schema and (value not in schema["enum"] or isinstance(value, bool)):
        raise InvalidTable(
            f"{where}: {value!r:.60} is not one of {', '.join(map(repr, schema['enum']))}"
        )
    if "type" in schema:
        _check_type(value, schema["type"], where)
    if isinstance(value, dict):
        _check_object(value, schema, place)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            raise InvalidTable(
                f"{where}: needs at least {schema['minItems']} entries, has {len(value)}"
            )
        for index, item in enumerate(value):
            check(item, schema.get("items", {}), f"{place}[{index}]")
    elif isinstance(value, int | float):
        _check_number(value, schema, where)


def _check_type(value: Any, types: str | list[str], where: str) -> None:
    names = [types] if isinstance(types, str) else types
    fits = any(isinstance(value, _TYPES[name]) for name in names) and not isinstance(value, bool)
    if not fits:
        raise InvalidTable(f"{where}: {value!r:.60} is not of type {' or '.join(names)}")


def _check_number(value: float, schema: dict[str, Any], where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidTable(f"{where}: {value!r} is not a finite number")
    if abs(value) >= _TOO_LARGE:
        raise InvalidTable(f"{where}: {value!r:.60} is too large")
    if value < schema.get("minimum", value):
        raise InvalidTable(f"{where}: {value!r} is below {schema['minimum']}")
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        raise InvalidTable(f"{where}: {value!r} must be above {schema['exclusiveMinimum']}")


def _check_object(value: dict[str, Any], schema: dict[str, Any], place: str) -> None:
    where = place or "the table"
    for key in schema.get("required", ()):
        if key not in value:
            raise InvalidTable(f"{where}: the key {key!r} is missing")
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    for key, item in value.items():
        inner = f"{place}.{key}" if place else key
        if key in properties:
            check(item, properties[key], inner)
        elif rest is False:
            raise InvalidTable(
                f"{where}: unexpected key {key!r}; there is: {', '.join(properties)}"
            )
        else:
            check(item, rest, inner)
