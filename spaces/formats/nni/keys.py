"""The keys that NNI's files give to the choices of a space.

Keys are the space's own, or automatic (`LayerChoice3`, from a counter that all choices of a process
share), or those of NNI's own NAS-Bench-201 cells (`0_2`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from spaces.architecture import Architecture
from spaces.cells.nasbench201 import EDGES
from spaces.choice import Choice, Combination, Values, check_keys
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture
from spaces.formats.nasbench201 import edge_key
from spaces.formats.spos.format import OPERATIONS

CELL_KEYS = {f"{source}_{target}": edge_key(source, target) for source, target in EDGES}
"""NNI's key of a NAS-Bench-201 edge -> ours."""

CELL_NAMES = {"conv_1x1": "nor_conv_1x1", "conv_3x3": "nor_conv_3x3"}
"""NNI's name of a NAS-Bench-201 operation -> ours, where they differ."""

_AUTOMATIC = re.compile(r"(LayerChoice|InputChoice)([1-9]\d{0,8})")

V = TypeVar("V")


def match_keys(choices: Sequence[Choice], given: Mapping[str, V]) -> dict[str, V]:
    """The file's values under the choices' own keys, in their order.

    Automatic keys stand for the choices that are not named, in the order of their numbers.

    Raises:
        InvalidArchitecture: a choice is missing or unexpected; it is named as the file would name
            it.
    """
    own = {choice.key for choice in choices}
    automatic = [key for key in given if key not in own and _AUTOMATIC.fullmatch(key)]
    if not automatic:
        check_keys(choices, given)
        return {choice.key: given[choice.key] for choice in choices}
    _check_numbers(automatic)
    named = {key: value for key, value in given.items() if key not in automatic}
    unnamed = [
        choice for choice in choices if choice.key not in named and not isinstance(choice, Values)
    ]
    for kind in ("LayerChoice", "InputChoice"):
        wanted = [choice.key for choice in unnamed if _kind(choice) == kind]
        keys = sorted((key for key in automatic if key.startswith(kind)), key=_number)
        _check_count(kind, wanted, keys)
        named.update({own_key: given[key] for own_key, key in zip(wanted, keys, strict=True)})
    check_keys(choices, named)
    return {choice.key: named[choice.key] for choice in choices}


def automatic_keys(choices: Iterable[Choice]) -> list[str]:
    """The keys that NNI's counter gives to choices without a key."""
    return [f"{_kind(choice)}{number}" for number, choice in enumerate(choices, 1)]


def is_automatic(keys: Iterable[str]) -> bool:
    """Whether every key is an automatic one."""
    return all(_AUTOMATIC.fullmatch(key) for key in keys)


def has_automatic_keys(space: ChoiceSpace) -> bool:
    """Whether NNI's own model of a space, as SPOS's, leaves its choices without keys."""
    return all(choice.candidates == OPERATIONS for choice in space.choices)


def guess(given: Mapping[str, V], read: Callable[[ChoiceSpace], Architecture]) -> Architecture:
    """Read with the one registered space that has these keys.

    Of several spaces the one that `read` accepts is meant; of those, for automatic keys, the one
    that NNI gives them.

    Raises:
        InvalidArchitecture: there is none, or more than one; the message says to name the space.
    """
    from spaces.registry import available, get

    matching = [space for space in map(get, available()) if _matches(space, given)]
    faults = {space.name: _fault(read, space) for space in matching} if len(matching) > 1 else {}
    if faults and all(faults.values()):
        raise InvalidArchitecture(
            "; ".join(f"not of {name}: {fault}" for name, fault in faults.items())
        )
    matching = [space for space in matching if not faults.get(space.name)]
    if len(matching) > 1 and is_automatic(given):
        matching = [space for space in matching if has_automatic_keys(space)] or matching
    if len(matching) == 1:
        return read(matching[0])
    keys = list(given)
    listed = keys[0] if len(keys) == 1 else f"{keys[0]} ... {keys[-1]}"
    which = ", ".join(space.name for space in matching) or "no registered space"
    raise InvalidArchitecture(
        f"the {len(keys)} choices {listed} fit {which}; name the space that they belong to"
    )


def _matches(space: ChoiceSpace, given: Mapping[str, V]) -> bool:
    try:
        match_keys(space.choices, given)
    except InvalidArchitecture:
        return False
    return True


def _fault(read: Callable[[ChoiceSpace], Architecture], space: ChoiceSpace) -> str | None:
    try:
        read(space)
    except InvalidArchitecture as error:
        return str(error)
    return None


def _kind(choice: Choice) -> str:
    return "InputChoice" if isinstance(choice, Combination) else "LayerChoice"


def _number(key: str) -> int:
    match = _AUTOMATIC.fullmatch(key)
    return int(match[2]) if match else 0


def _check_numbers(keys: Sequence[str]) -> None:
    # One counter serves all kinds, so the numbers of a whole file are consecutive, though not from
    # 1 in every process.
    numbers = sorted(map(_number, keys))
    for before, after in itertools.pairwise(numbers):
        if after == before:
            raise InvalidArchitecture(f"two choices have the number {after}")
        if after != before + 1:
            raise InvalidArchitecture(
                f"the choice 'LayerChoice{before + 1}' (or 'InputChoice{before + 1}') is missing"
            )


def _check_count(kind: str, wanted: Sequence[str], keys: Sequence[str]) -> None:
    if len(keys) < len(wanted):
        raise InvalidArchitecture(
            f"the choice {wanted[len(keys)]!r} is missing: {len(keys)} keys {kind}... for"
            f" {len(wanted)} choices"
        )
    if len(keys) > len(wanted):
        raise InvalidArchitecture(
            f"unexpected choice {keys[len(wanted)]!r}: {len(keys)} keys {kind}... for {len(wanted)}"
            " choices"
        )
