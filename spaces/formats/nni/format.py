"""Fixed architectures of NNI: `{"key": value}` in three generations.

1.9 exports multi-hot lists, 2.10 an index as text or a name, 3.0 label -> value (microsoft/nni,
MIT; nas/pytorch/fixed.py). The SPOS example of 1.9 and 2.10 gives its layers no keys: theirs
are `LayerChoice1` ... `LayerChoice20` and candidates are numbered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from spaces.architecture import Architecture
from spaces.choice import Choice, check_keys
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture
from spaces.formats.format import Source
from spaces.formats.json_text import parse_object
from spaces.formats.nni.keys import (
    CELL_KEYS,
    CELL_NAMES,
    automatic_keys,
    guess,
    has_automatic_keys,
    is_automatic,
    match_keys,
)
from spaces.formats.nni.values import Spelling, indices_of, multi_hot, plain, read_value
from spaces.registry import get

NNI_1_9 = Spelling("NNI 1.9", multi_hot=True)
NNI_2_10 = Spelling("NNI 2.10", plain=True, index_text=True)
NNI_3_0 = Spelling("NNI 3.0", plain=True)
ANY = Spelling("NNI", multi_hot=True, plain=True, index_text=True)


class Nni:
    """Fixed architectures of one generation, or of any, which are written like NNI 3.0's.

    Args:
        spelling: Spelling of the values that are read.
    """

    def __init__(self, spelling: Spelling):
        self.spelling = spelling

    def detects(self, text: str, value: object) -> bool:
        if not isinstance(value, dict) or not value or not all(map(_is_plain, value.values())):
            return False

        lists = all(
            isinstance(item, list) and item and isinstance(item[0], bool | float)
            for item in value.values()
        )
        if self.spelling is NNI_1_9:
            return lists

        # NNI 2.10 writes candidates of lists by their index, as text.
        digits = any(isinstance(item, str) and item.isdigit() for item in value.values())
        if self.spelling is NNI_2_10:
            return not lists and (digits or is_automatic(value))
        return self.spelling is ANY or not any(map(_is_multi_hot, value.values()))

    def read(self, source: Source) -> Architecture:
        value = parse_object(source.text, "an architecture of NNI")
        may_be_cell = source.space is None or _is_cell(source.space.choices)
        if may_be_cell and not value.keys().isdisjoint(CELL_KEYS):
            return _read_cell(source.space or get("nasbench201"), value)
        if source.space is not None:
            return self._architecture(source.space, value)
        return guess(value, lambda space: self._architecture(space, value))

    def _architecture(self, space: ChoiceSpace, value: Mapping[str, Any]) -> Architecture:
        values = match_keys(space.choices, value)
        return space.architecture(
            {
                choice.key: read_value(choice, values[choice.key], self.spelling)
                for choice in space.choices
            }
        )

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        choices = architecture.choices
        pairs = [(choice, choices[choice.key]) for choice in space.choices]
        unnamed = has_automatic_keys(space)
        keys = [choice.key for choice in space.choices]

        # NNI 3.0 requires labels, so that choices without keys occur in earlier generations only.
        if unnamed and self.spelling in (NNI_1_9, NNI_2_10):
            keys = automatic_keys(space.choices)
        if self.spelling is NNI_1_9:
            values: list[Any] = [multi_hot(*pair) for pair in pairs]
        elif self.spelling is NNI_2_10 and unnamed:
            values = [str(indices_of(*pair)[0]) for pair in pairs]
        elif _is_cell(space.choices):
            return json.dumps(_write_cell(choices), indent=2)
        else:
            values = [plain(*pair) for pair in pairs]

        return json.dumps(dict(zip(keys, values, strict=True)), indent=2)


def _is_cell(choices: Iterable[Choice]) -> bool:
    return {choice.key for choice in choices} == set(CELL_KEYS.values())


def _read_cell(space: ChoiceSpace, values: Mapping[str, Any]) -> Architecture:
    check_keys([Choice(key, ()) for key in CELL_KEYS], values)

    for key, value in values.items():
        if not isinstance(value, str):
            # NNI's generations order these candidates differently, so an index would be a guess.
            raise InvalidArchitecture(
                f"{key}: an edge of NNI's NAS-Bench-201 cells has the name of its operation, not"
                f" {value!r:.60}"
            )

    return space.architecture(
        {CELL_KEYS[key]: CELL_NAMES.get(value, value) for key, value in values.items()}
    )


def _write_cell(choices: Mapping[str, str]) -> dict[str, str]:
    names = {ours: theirs for theirs, ours in CELL_NAMES.items()}
    return {key: names.get(choices[ours], choices[ours]) for key, ours in CELL_KEYS.items()}


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)


def _is_multi_hot(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, bool | float) for item in value)


def nni_1_9() -> Nni:
    """Architectures as NNI 1.9 writes them: one-hot lists of truth values or numbers."""
    return Nni(NNI_1_9)


def nni_2_10() -> Nni:
    """Architectures as NNI 2.10 writes them: candidates by name or by index in text."""
    return Nni(NNI_2_10)


def nni_3_0() -> Nni:
    """Architectures as NNI 3.0 writes them: candidates by name or index."""
    return Nni(NNI_3_0)


def nni_any() -> Nni:
    """Architectures of any NNI generation; written like NNI 3.0's."""
    return Nni(ANY)
