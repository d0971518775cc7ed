"""Search-space files of NNI, as `nnictl ss_gen` writes them.

`{"key": {"_type": "layer_choice", "_value": [names]}}`, `{"key": {"_type": "input_choice",
"_value": {"candidates": [names], "n_chosen": 1}}}` and `{"key": {"_type": "choice", "_value":
[values]}}` (microsoft/nni, MIT; nas/pytorch/classic_nas/mutator.py).
"""

from __future__ import annotations

import json
from typing import Any

from spaces.choice import Choice, Combination, Values
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidFile, InvalidParameter
from spaces.formats.json_text import parse_object


def read_search_space(text: str) -> tuple[Choice, ...]:
    """Return the choices of a search-space file, in its order.

    Args:
        text: JSON text. Inputs without a name ("") are named by their position.

    Raises:
        InvalidFile: The text is no search space; the choice at fault is named.

    Example:
        >>> text = '{"stem": {"_type": "layer_choice", "_value": ["conv3", "conv5"]}}'
        >>> [(choice.key, choice.candidates) for choice in read_search_space(text)]
        [('stem', ('conv3', 'conv5'))]
    """
    entries = parse_object(text, "a search space of NNI")
    return tuple(_read(key, entry) for key, entry in entries.items())


def write_search_space(space: ChoiceSpace) -> str:
    """Return the search-space file of a space, which `read_search_space` reads back.

    Example:
        >>> import spaces
        >>> read_search_space(write_search_space(spaces.get("spos-tiny")))[0].candidates
        ('k3', 'k5', 'k7', 'xcep')
    """
    return json.dumps({choice.key: _write(choice) for choice in space.choices}, indent=2)


def detects(value: object) -> bool:
    """Return whether a JSON value is a search space."""
    return isinstance(value, dict) and any(
        isinstance(entry, dict) and "_type" in entry for entry in value.values()
    )


def _write(choice: Choice) -> dict[str, Any]:
    if isinstance(choice, Values):
        return {"_type": "choice", "_value": list(choice.values)}
    if isinstance(choice, Combination):
        value = {"candidates": list(choice.inputs), "n_chosen": choice.n_chosen}
        return {"_type": "input_choice", "_value": value}
    return {"_type": "layer_choice", "_value": list(choice.candidates)}


def _read(key: str, entry: Any) -> Choice:
    if not isinstance(entry, dict) or entry.keys() != {"_type", "_value"}:
        raise InvalidFile(f"{key}: an entry has '_type' and '_value', not {entry!r:.60}")

    kind = entry["_type"]
    value = entry["_value"]

    # Errors of a choice do not know that they come from a file.
    try:
        if kind == "layer_choice":
            return _layer_choice(key, value)
        if kind == "input_choice":
            return _input_choice(key, value)
        if kind == "choice":
            return Values.from_values(key, [_scalar(key, item) for item in _list(key, value)])
    except InvalidParameter as error:
        raise InvalidFile(str(error)) from error

    raise InvalidFile(
        f"{key}: unknown _type {kind!r:.60}; it is one of layer_choice, input_choice and choice"
    )


def _layer_choice(key: str, value: Any) -> Choice:
    names = [_text(key, name) for name in _list(key, value)]
    if not names or len(set(names)) < len(names) or "" in names:
        raise InvalidFile(f"{key}: candidates need different names, not {names!r:.80}")
    return Choice(key, tuple(names))


def _input_choice(key: str, value: Any) -> Choice:
    if not isinstance(value, dict) or value.keys() != {"candidates", "n_chosen"}:
        raise InvalidFile(
            f"{key}: an input choice has 'candidates' and 'n_chosen', not {value!r:.60}"
        )

    names = [_text(key, name) for name in _list(key, value["candidates"])]
    count = value["n_chosen"]
    if count is not None and (not isinstance(count, int) or isinstance(count, bool)):
        raise InvalidFile(f"{key}: n_chosen is an integer or null, not {count!r:.60}")

    inputs = [name or str(position) for position, name in enumerate(names)]
    return Combination.from_inputs(key, inputs, count)


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidFile(f"{key}: candidates are a list, not {value!r:.60}")
    return value


def _text(key: str, name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidFile(f"{key}: a candidate's name is text, not {name!r:.60}")
    return name


def _scalar(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_scalar(key, item) for item in value)
    if value is not None and not isinstance(value, str | int | float):
        raise InvalidFile(
            f"{key}: a value is a number, a text or a list of them, not {value!r:.60}"
        )
    return value
