"""Own code checks tables as jsonschema does."""

import copy
import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import spaces
from spaces import ChainSpace
from tables import LookupTable
from tables.errors import InvalidTable
from tables.schema import check, table_schema

VALIDATOR = jsonschema.Draft202012Validator(table_schema())

_CASES = json.loads("""{
 "format": "pathfit-lookup-table", "version": 1, "name": "n", "space": "spos-tiny",
 "device": {"kind": "cpu", "processor": "p", "cores": 2, "memory_bytes": 5, "system": "s",
  "clock": 2.5, "note": null},
 "conditions": {"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
 "versions": {"torch": "2"}, "created": "now", "command": "c", "seed": 0,
 "measurement": {"rounds": 8, "seconds": 1.5, "budget_s": 2, "stopped_by": "budget",
  "standard_error": 0.1,
  "blocks": "timed", "memory": "live tensors", "clock_mhz": [1980],
  "temperature_c": [45.5], "energy": "counter",
  "reference": {"codes": [[0, 1]], "latency_ms": 1.5}},
 "blocks": {"a": {"latency_ms": 0.5, "latency_iqr_ms": 0, "samples": 3,
  "macs": 7, "params": 9, "activation_bytes": 4},
  "b": {"latency_ms": 0.5, "latency_iqr_ms": null, "samples": null, "macs": 7, "params": 9}},
 "networks": [{"codes": [0, 1], "round": 0, "latency_ms": [1.5, 2], "reference_ms": 1.5,
   "energy_mj": 3.5, "blocks_ms": 1.25},
  {"codes": [], "round": 3, "latency_ms": [1], "reference_ms": 2}]
}""")

# Floats that are whole numbers are left out: JSON Schema takes 1.0 for an integer, a table does
# not.
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-3, 3).filter(lambda number: not number.is_integer())
    | st.sampled_from(
        ["", "x", "cpu", "fp16", "precision", {}, [], [0], [-1], [0.5], ["x"], {"x": 1}, 1e-9]
    )
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [here, *(place for key, item in inner for place in places(item, (*here, key)))]


PLACES = places(_CASES)


def verdict(value: Any) -> bool:
    try:
        check(value, table_schema())
    except InvalidTable:
        return False
    return True


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(table_schema())


def test_own_code_knows_every_word_that_the_schema_uses() -> None:
    known = {"type", "enum", "minimum", "exclusiveMinimum", "minItems", "items"}
    known |= {"required", "properties", "additionalProperties", "$schema", "title", "description"}

    def words(schema: Any) -> set[str]:
        if not isinstance(schema, dict):
            return set()
        inner = [
            schema.get("items"),
            schema.get("additionalProperties"),
            *schema.get("properties", {}).values(),
        ]
        return set(schema).union(*map(words, inner))

    assert words(table_schema()) <= known


def test_real_tables_pass_both(table: LookupTable) -> None:
    value = json.loads(table.to_json())
    VALIDATOR.validate(value)
    check(value, table_schema())


@settings(max_examples=300)
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(PLACES),
            st.sampled_from(["delete", "replace", "add"]),
            VALUES,
            st.sampled_from(["x", "codes"]),
        ),
        min_size=1,
        max_size=2,
    )
)
@example(changes=[(("version",), "replace", True, "x")])
@example(changes=[(("device", "clock"), "replace", True, "x")])
def test_verdicts_agree_with_jsonschema(
    changes: list[tuple[tuple[Any, ...], str, Any, str]],
) -> None:
    value = copy.deepcopy(_CASES)
    for place, what, new, key in changes:
        try:
            value = changed(value, place, what, copy.deepcopy(new), key)
        except (LookupError, TypeError):
            continue  # the first change took the place away
    assert verdict(value) is VALIDATOR.is_valid(value)


def changed(value: Any, place: tuple[Any, ...], what: str, new: Any, key: str) -> Any:
    """The value with one place deleted, replaced or given another entry."""
    if not place:
        return new if what == "replace" else value
    inner = value
    for part in place[:-1]:
        inner = inner[part]
    if what == "delete":
        del inner[place[-1]]
    elif what == "replace":
        inner[place[-1]] = new
    elif isinstance(inner[place[-1]], dict):
        inner[place[-1]][key] = new
    elif isinstance(inner[place[-1]], list):
        inner[place[-1]].append(new)
    return value


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 10**400])
def test_numbers_that_json_has_not_are_refused_everywhere(bad: float) -> None:
    for place in PLACES:
        inner = _CASES
        for part in place:
            inner = inner[part]
        if isinstance(inner, int | float):
            value = changed(copy.deepcopy(_CASES), place, "replace", bad, "")
            with pytest.raises(InvalidTable) as caught:
                check(value, table_schema())
            assert str(place[-1]) in str(caught.value)


def test_any_broken_table_is_an_error_of_ours(table: LookupTable) -> None:
    space = spaces.get("spos-tiny")
    assert isinstance(space, ChainSpace)
    value = table.to_dict()
    value["networks"], value["blocks"] = (
        value["networks"][:1],
        dict(list(value["blocks"].items())[:1]),
    )
    said: list[str] = []
    for place in places(value):
        for new in (None, -1, "x", [], {}, math.nan, [[]]):
            broken = changed(copy.deepcopy(value), place, "replace", new, "")
            try:
                LookupTable.from_dict(broken)
            except InvalidTable as error:
                said.append(str(error))
    assert len(said) > 200
    assert not any("\n" in text for text in said)
