"""Values of choices in NNI's files: a name, an index, a list of either, or a multi-hot list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spaces.choice import Choice, Combination, Values
from spaces.errors import InvalidArchitecture


@dataclass(frozen=True)
class Spelling:
    """Spelling of values in one generation of NNI.

    Args:
        name: Generation, for messages.
        multi_hot: Whether full-length lists of booleans, or of the floats 0.0 and 1.0, are read.
        plain: Whether names and indices are read, and lists of them.
        index_text: Whether an index may be text, such as "2".
    """

    name: str
    multi_hot: bool = False
    plain: bool = False
    index_text: bool = False


def read_value(choice: Choice, value: Any, spelling: Spelling) -> str:
    """Return the candidate that a file's value selects.

    Raises:
        InvalidArchitecture: The value is unknown, occurs twice, or has the wrong length or number
            of items; the choice is named.
    """
    if isinstance(choice, Values):
        return choice.candidates[_value_code(choice, value)]

    names = names_of(choice)
    items = value if isinstance(value, list) else [value]

    # One value may be a list of one index or name; several booleans are multi-hot.
    if isinstance(value, list) and items and _is_multi_hot(items):
        indices = _read_multi_hot(choice.key, names, items, spelling)
    elif spelling.plain:
        indices = [_index(choice.key, names, item, spelling) for item in items]
    else:
        raise InvalidArchitecture(
            f"{choice.key}: {spelling.name} writes a list of {len(names)} booleans, not"
            f" {value!r:.60}"
        )

    return candidate_of(choice, indices)


def candidate_of(choice: Choice, indices: Sequence[int]) -> str:
    """Return the candidate of a choice by indices of its candidates or inputs.

    Raises:
        InvalidArchitecture: An index occurs twice, or their number is wrong.
    """
    names = names_of(choice)
    for index in indices:
        if indices.count(index) > 1:
            raise InvalidArchitecture(f"{choice.key}: {names[index]!r} occurs twice")

    if isinstance(choice, Combination):
        return choice.candidates[choice.code_of(indices)]
    if len(indices) != 1:
        selected = ", ".join(names[index] for index in indices) or "none"
        raise InvalidArchitecture(
            f"{choice.key} has one of its candidates; the file selects {selected}"
        )

    return choice.candidates[indices[0]]


def names_of(choice: Choice) -> tuple[str, ...]:
    """Return the names in a file: the inputs of a combination, otherwise the candidates."""
    return choice.inputs if isinstance(choice, Combination) else choice.candidates


def indices_of(choice: Choice, candidate: str) -> tuple[int, ...]:
    """Return the indices of a candidate: those of its inputs, or its own.

    Raises:
        InvalidArchitecture: The candidate takes an input twice.
    """
    code = choice.code(candidate)
    if not isinstance(choice, Combination):
        return (code,)

    indices = choice.subsets[code]
    # A multi-hot list cannot say it, and NNI's InputChoice never selects it.
    if len(set(indices)) < len(indices):
        raise InvalidArchitecture(
            f"{choice.key}: NNI's input choices take each input once, not {candidate!r}; write the"
            " format aw-nas, darts or pathfit"
        )
    return indices


def multi_hot(choice: Choice, candidate: str) -> list[bool]:
    """Return the list of booleans of a candidate.

    Raises:
        InvalidArchitecture: The choice is a value choice, which NNI 1.9 does not have.
    """
    if isinstance(choice, Values):
        raise InvalidArchitecture(f"{choice.key}: NNI 1.9 has no choice of values")
    selected = indices_of(choice, candidate)
    return [index in selected for index in range(len(names_of(choice)))]


def plain(choice: Choice, candidate: str) -> Any:
    """Return a candidate as NNI 2.10 and 3.0 write it.

    That is the value of a value choice, the index or indices of inputs, and otherwise the name.
    """
    if isinstance(choice, Values):
        return choice.values[choice.code(candidate)]
    if isinstance(choice, Combination):
        indices = list(indices_of(choice, candidate))
        return indices[0] if choice.n_chosen == 1 else indices
    return candidate


def same_value(first: Any, second: Any) -> bool:
    """Return whether two plain values are equal in JSON: 1 is neither true nor 1.0."""
    # Choices have tuples where JSON has lists.
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(same_value, first, second))
    return type(first) is type(second) and bool(first == second)


def _value_code(choice: Values, value: Any) -> int:
    for code, candidate in enumerate(choice.values):
        if same_value(candidate, value):
            return code
    raise InvalidArchitecture(
        f"{choice.key}: unknown value {value!r:.60}; the values are: {list(choice.values)!r:.200}"
    )


def _is_multi_hot(items: list[Any]) -> bool:
    # NNI's rule: booleans or floats. A list of integers holds indices, since [0, 1] is ambiguous.
    return all(isinstance(item, bool) for item in items) or all(
        isinstance(item, float) for item in items
    )


def _read_multi_hot(
    key: str, names: Sequence[str], items: list[Any], spelling: Spelling
) -> list[int]:
    if not spelling.multi_hot:
        raise InvalidArchitecture(
            f"{key}: {spelling.name} writes names or indices, not the multi-hot list of NNI 1.9"
        )
    if len(items) != len(names):
        raise InvalidArchitecture(
            f"{key}: the multi-hot list has {len(items)} entries, not {len(names)}"
        )

    for item in items:
        if item not in (0, 1):
            raise InvalidArchitecture(f"{key}: a multi-hot list holds 0.0 and 1.0, not {item!r}")

    return [index for index, item in enumerate(items) if item]


def _index(key: str, names: Sequence[str], item: Any, spelling: Spelling) -> int:
    if isinstance(item, str):
        if item in names:
            return names.index(item)

        # The limit on the length keeps int() from parsing text of any size.
        if spelling.index_text and item.isascii() and item.isdigit() and len(item) < 6:
            item = int(item)

    if isinstance(item, int) and not isinstance(item, bool):
        if 0 <= item < len(names):
            return item
        raise InvalidArchitecture(
            f"{key}: the index {item} is out of range; there are {len(names)} candidates"
        )

    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise InvalidArchitecture(f"{key}: unknown candidate {item!r:.60}; it has: {listed}")
