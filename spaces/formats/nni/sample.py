"""The sample that an NNI tuner sends to a trial: `{"key": {"_value": "name", "_idx": 0}}`, lists
for input choices (microsoft/nni, MIT; nas/pytorch/classic_nas/mutator.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spaces.architecture import Architecture
from spaces.choice import Choice, Combination, Values
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture
from spaces.formats.format import Source
from spaces.formats.json_text import parse_object
from spaces.formats.nni.keys import guess, match_keys
from spaces.formats.nni.values import candidate_of, parts, same_value, taken_by


class NniSample:
    """Samples of NNI's tuners; name and index of each choice must agree."""

    def detects(self, text: str, value: object) -> bool:
        return isinstance(value, dict) and any(
            isinstance(item, dict) and "_idx" in item for item in value.values()
        )

    def read(self, source: Source) -> Architecture:
        given = parse_object(source.text, "a sample of an NNI tuner")
        if source.space is not None:
            return _of(source.space, given)
        return guess(given, lambda space: _of(space, given))

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        chosen = architecture.choices
        return json.dumps(
            {choice.key: _write(choice, chosen[choice.key]) for choice in space.choices}, indent=2
        )


def _of(space: ChoiceSpace, given: Mapping[str, Any]) -> Architecture:
    values = match_keys(space.choices, given)
    return space.architecture(
        {choice.key: _read(choice, values[choice.key]) for choice in space.choices}
    )


def _read(choice: Choice, entry: Any) -> str:
    if not isinstance(entry, dict) or entry.keys() != {"_value", "_idx"}:
        raise InvalidArchitecture(
            f"{choice.key}: an entry has '_value' and '_idx', not {entry!r:.60}"
        )
    value, index = entry["_value"], entry["_idx"]
    several = isinstance(choice, Combination)
    if several and not (
        isinstance(value, list) and isinstance(index, list) and len(value) == len(index)
    ):
        raise InvalidArchitecture(
            f"{choice.key}: an input choice has lists of equal length, not {entry!r:.80}"
        )
    values, indices = (value, index) if several else ([value], [index])
    for item, position in zip(values, indices, strict=True):
        _check(choice, item, position)
    return candidate_of(choice, indices)


def _check(choice: Choice, item: Any, position: Any) -> None:
    known = choice.values if isinstance(choice, Values) else parts(choice)
    if (
        not isinstance(position, int)
        or isinstance(position, bool)
        or not 0 <= position < len(known)
    ):
        raise InvalidArchitecture(
            f"{choice.key}: _idx {position!r:.40} is not one of 0 ... {len(known) - 1}"
        )
    # NNI names inputs "" where their model gives them no key.
    if not same_value(item, known[position]) and not (
        item == "" and isinstance(choice, Combination)
    ):
        raise InvalidArchitecture(
            f"{choice.key}: _idx {position} stands for {known[position]!r:.60}, but _value is"
            f" {item!r:.60}"
        )


def _write(choice: Choice, candidate: str) -> dict[str, Any]:
    indices = list(taken_by(choice, candidate))
    known: tuple[Any, ...] = choice.values if isinstance(choice, Values) else parts(choice)
    values = [known[index] for index in indices]
    if isinstance(choice, Combination):
        return {"_value": values, "_idx": indices}
    return {"_value": values[0], "_idx": indices[0]}
