"""Checks of JSON values against the part of JSON Schema that `schema.json` uses.

A device that is only measured has no jsonschema, so the checks are implemented here; the tests
compare both implementations' verdicts.
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

# The first number that an int64 array cannot hold; JSON itself has no limit.
_TOO_LARGE = 1 << 63


@functools.cache
def table_schema() -> dict[str, Any]:
    """Return the schema of lookup tables."""
    text = Path(__file__).with_name("schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def check(value: Any, schema: dict[str, Any], path: str = "") -> None:
    """Check a value against a schema.

    Args:
        value: The value of a JSON document.
        schema: The schema of this value.
        path: Path of the value in the document, such as `networks[3].codes`. Empty for the whole.

    Raises:
        InvalidTable: The value breaks the schema; path and value are named.
    """
    where = path or "the table"
    # JSON's true is no 1, although Python's is.
    if "enum" in schema and (value not in schema["enum"] or isinstance(value, bool)):
        choices = ", ".join(map(repr, schema["enum"]))
        raise InvalidTable(f"{where}: {value!r:.60} is not one of {choices}")

    if "type" in schema:
        _check_type(value, schema["type"], where)

    if isinstance(value, dict):
        _check_object(value, schema, path)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            raise InvalidTable(
                f"{where}: needs at least {schema['minItems']} entries, has {len(value)}"
            )

        for index, item in enumerate(value):
            check(item, schema.get("items", {}), f"{path}[{index}]")
    elif isinstance(value, int | float):
        _check_number(value, schema, where)


def _check_type(value: Any, types: str | list[str], where: str) -> None:
    names = [types] if isinstance(types, str) else types
    matches = any(isinstance(value, _TYPES[name]) for name in names)

    # Python's booleans are integers, but JSON's are not.
    if not matches or isinstance(value, bool):
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


def _check_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> None:
    where = path or "the table"
    for key in schema.get("required", ()):
        if key not in value:
            raise InvalidTable(f"{where}: the key {key!r} is missing")

    properties = schema.get("properties", {})
    additional = schema.get("additionalProperties", {})
    for key, item in value.items():
        inner_path = f"{path}.{key}" if path else key
        if key in properties:
            check(item, properties[key], inner_path)
        elif additional is False:
            expected = ", ".join(properties)
            raise InvalidTable(f"{where}: unexpected key {key!r}; expected are: {expected}")
        else:
            check(item, additional, inner_path)
