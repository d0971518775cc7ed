"""Keys of the choices of a space in NNI's files.

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
"""Key of a NAS-Bench-201 edge in NNI -> key in Pathfit."""

CELL_NAMES = {"conv_1x1": "nor_conv_1x1", "conv_3x3": "nor_conv_3x3"}
"""Name of a NAS-Bench-201 operation in NNI -> name in Pathfit, where they differ."""

# NNI numbers mutables without a key from 1.
_AUTOMATIC = re.compile(r"(LayerChoice|InputChoice)([1-9]\d{0,8})")

V = TypeVar("V")


def match_keys(choices: Sequence[Choice], values: Mapping[str, V]) -> dict[str, V]:
    """Return a file's values under the choices' own keys, in the order of the choices.

    Automatic keys are matched to the choices that are not named, in the order of their numbers.

    Args:
        choices: Choices of the space.
        values: Key in the file -> value.

    Raises:
        InvalidArchitecture: A choice is missing or unexpected; its key in the file is named.
    """
    own_keys = {choice.key for choice in choices}
    automatic = [key for key in values if key not in own_keys and _AUTOMATIC.fullmatch(key)]
    if not automatic:
        check_keys(choices, values)
        return {choice.key: values[choice.key] for choice in choices}

    _check_numbers(automatic)
    named = {key: value for key, value in values.items() if key not in automatic}

    # Value choices have no counter in NNI, so that they always have a key.
    unnamed = [
        choice for choice in choices if choice.key not in named and not isinstance(choice, Values)
    ]
    for kind in ("LayerChoice", "InputChoice"):
        expected = [choice.key for choice in unnamed if _kind(choice) == kind]
        keys = sorted((key for key in automatic if key.startswith(kind)), key=_number)
        _check_count(kind, expected, keys)
        named.update({own_key: values[key] for own_key, key in zip(expected, keys, strict=True)})

    check_keys(choices, named)
    return {choice.key: named[choice.key] for choice in choices}


def automatic_keys(choices: Iterable[Choice]) -> list[str]:
    """Return the keys that NNI's counter assigns to choices without a key."""
    return [f"{_kind(choice)}{number}" for number, choice in enumerate(choices, 1)]


def is_automatic(keys: Iterable[str]) -> bool:
    """Return whether every key is an automatic one."""
    return all(_AUTOMATIC.fullmatch(key) for key in keys)


def has_automatic_keys(space: ChoiceSpace) -> bool:
    """Return whether the choices of NNI's own model of a space, like SPOS's, have no keys."""
    return all(choice.candidates == OPERATIONS for choice in space.choices)


def guess(values: Mapping[str, V], read: Callable[[ChoiceSpace], Architecture]) -> Architecture:
    """Read an architecture as one of the registered space that has its keys.

    Of several spaces, the one that `read` accepts is meant, rather a space of networks than one in
    which others' networks are searched; of those, for automatic keys, the one whose choices have no
    keys in NNI.

    Args:
        values: Key in the file -> value.
        read: Reads the values as an architecture of a space, or raises InvalidArchitecture.

    Raises:
        InvalidArchitecture: No space has these keys, or more than one; the message asks for the
            name of the space.
    """
    from spaces.registry import available, get

    matching = [space for space in map(get, available()) if _matches(space, values)]
    # A single space needs no trial: its own errors are the better ones.
    faults = {space.name: _fault(read, space) for space in matching} if len(matching) > 1 else {}
    if faults and all(faults.values()):
        raise InvalidArchitecture(
            "; ".join(f"not of {name}: {fault}" for name, fault in faults.items())
        )

    matching = [space for space in matching if not faults.get(space.name)]
    if len(matching) > 1:
        # A space that is searched for the networks of another one has the same keys.
        matching = [space for space in matching if space.network_space == space] or matching
    if len(matching) > 1 and is_automatic(values):
        matching = [space for space in matching if has_automatic_keys(space)] or matching
    if len(matching) == 1:
        return read(matching[0])

    keys = list(values)
    listed = keys[0] if len(keys) == 1 else f"{keys[0]} ... {keys[-1]}"
    names = ", ".join(space.name for space in matching) or "no registered space"
    raise InvalidArchitecture(
        f"the {len(keys)} choices {listed} fit {names}; name the space that they belong to"
    )


def _matches(space: ChoiceSpace, values: Mapping[str, V]) -> bool:
    try:
        match_keys(space.choices, values)
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
    # One counter serves all kinds and all models of a process: the numbers of a file are
    # consecutive, but need not begin with 1.
    numbers = sorted(map(_number, keys))
    for before, after in itertools.pairwise(numbers):
        if after == before:
            raise InvalidArchitecture(f"two choices have the number {after}")
        if after != before + 1:
            raise InvalidArchitecture(
                f"the choice 'LayerChoice{before + 1}' (or 'InputChoice{before + 1}') is missing"
            )


def _check_count(kind: str, expected: Sequence[str], keys: Sequence[str]) -> None:
    if len(keys) < len(expected):
        raise InvalidArchitecture(
            f"the choice {expected[len(keys)]!r} is missing: {len(keys)} keys {kind}... for"
            f" {len(expected)} choices"
        )
    if len(keys) > len(expected):
        raise InvalidArchitecture(
            f"unexpected choice {keys[len(expected)]!r}: {len(keys)} keys {kind}... for"
            f" {len(expected)} choices"
        )
