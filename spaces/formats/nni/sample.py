"""Samples that an NNI tuner sends to a trial.

`{"key": {"_value": "name", "_idx": 0}}`, with lists for input choices (microsoft/nni, MIT;
nas/pytorch/classic_nas/mutator.py).
"""

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
from spaces.formats.nni.values import candidate_of, indices_of, names_of, same_value


class NniSample:
    """Samples of NNI's tuners, where name and index of each choice must agree."""

    def detects(self, text: str, value: object) -> bool:
        return isinstance(value, dict) and any(
            isinstance(item, dict) and "_idx" in item for item in value.values()
        )

    def read(self, source: Source) -> Architecture:
        sample = parse_object(source.text, "a sample of an NNI tuner")
        if source.space is not None:
            return _architecture(source.space, sample)
        return guess(sample, lambda space: _architecture(space, sample))

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        choices = architecture.choices
        sample = {choice.key: _write(choice, choices[choice.key]) for choice in space.choices}
        return json.dumps(sample, indent=2)


def _architecture(space: ChoiceSpace, sample: Mapping[str, Any]) -> Architecture:
    values = match_keys(space.choices, sample)
    return space.architecture(
        {choice.key: _read(choice, values[choice.key]) for choice in space.choices}
    )


def _read(choice: Choice, entry: Any) -> str:
    if not isinstance(entry, dict) or entry.keys() != {"_value", "_idx"}:
        raise InvalidArchitecture(
            f"{choice.key}: an entry has '_value' and '_idx', not {entry!r:.60}"
        )

    values = entry["_value"]
    indices = entry["_idx"]

    # A layer choice has one value and one index, an input choice lists of both.
    if not isinstance(choice, Combination):
        values = [values]
        indices = [indices]
    elif not (
        isinstance(values, list) and isinstance(indices, list) and len(values) == len(indices)
    ):
        raise InvalidArchitecture(
            f"{choice.key}: an input choice has lists of equal length, not {entry!r:.80}"
        )

    for item, position in zip(values, indices, strict=True):
        _check(choice, item, position)

    return candidate_of(choice, indices)


def _check(choice: Choice, item: Any, position: Any) -> None:
    accepted = choice.values if isinstance(choice, Values) else names_of(choice)
    if (
        not isinstance(position, int)
        or isinstance(position, bool)
        or not 0 <= position < len(accepted)
    ):
        raise InvalidArchitecture(
            f"{choice.key}: _idx {position!r:.40} is not one of 0 ... {len(accepted) - 1}"
        )

    # NNI names inputs "" where their model gives them no key.
    if not same_value(item, accepted[position]) and not (
        item == "" and isinstance(choice, Combination)
    ):
        raise InvalidArchitecture(
            f"{choice.key}: _idx {position} is {accepted[position]!r:.60}, but _value is"
            f" {item!r:.60}"
        )


def _write(choice: Choice, candidate: str) -> dict[str, Any]:
    indices = list(indices_of(choice, candidate))
    accepted: tuple[Any, ...] = choice.values if isinstance(choice, Values) else names_of(choice)
    values = [accepted[index] for index in indices]
    if isinstance(choice, Combination):
        return {"_value": values, "_idx": indices}
    return {"_value": values[0], "_idx": indices[0]}
