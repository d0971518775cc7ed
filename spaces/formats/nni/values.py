"""What one choice is set to in NNI's files: a name, an index, a list of either, or a multi-hot
list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spaces.choice import Choice, Combination, Values
from spaces.errors import InvalidArchitecture


@dataclass(frozen=True)
class Spelling:
    """How one generation of NNI spells values.

    Args:
        name: the generation, for messages.
        multi_hot: full-length lists of booleans (or of the floats 0.0 and 1.0) are read.
        plain: names and indices are read, and lists of them.
        index_text: an index may be text, such as "2".
    """

    name: str
    multi_hot: bool = False
    plain: bool = False
    index_text: bool = False


def read_value(choice: Choice, value: Any, spelling: Spelling) -> str:
    """The candidate that a file's `value` sets `choice` to.

    Raises:
        InvalidArchitecture: unknown or twice the same, the wrong length or number; the choice is
            named.
    """
    if isinstance(choice, Values):
        return choice.candidates[_value_code(choice, value)]
    names = parts(choice)
    items = value if isinstance(value, list) else [value]
    if isinstance(value, list) and items and _is_multi_hot(items):
        taken = _read_multi_hot(choice.key, names, items, spelling)
    elif spelling.plain:
        taken = [_index(choice.key, names, item, spelling) for item in items]
    else:
        raise InvalidArchitecture(
            f"{choice.key}: {spelling.name} writes a list of {len(names)} booleans, not"
            f" {value!r:.60}"
        )
    return candidate_of(choice, taken)


def candidate_of(choice: Choice, taken: Sequence[int]) -> str:
    """The candidate of `choice` that takes the candidates or inputs of these indices; refuses a
    wrong number.
    """
    names = parts(choice)
    for index in taken:
        if taken.count(index) > 1:
            raise InvalidArchitecture(f"{choice.key}: {names[index]!r} is taken twice")
    if isinstance(choice, Combination):
        return choice.candidates[choice.code_of(taken)]
    if len(taken) != 1:
        set_ = ", ".join(names[index] for index in taken) or "none"
        raise InvalidArchitecture(f"{choice.key} takes one of its candidates; set: {set_}")
    return choice.candidates[taken[0]]


def parts(choice: Choice) -> tuple[str, ...]:
    """The names that a file may set: a combination's inputs, else the candidates."""
    return choice.inputs if isinstance(choice, Combination) else choice.candidates


def taken_by(choice: Choice, candidate: str) -> tuple[int, ...]:
    """The indices of the inputs or the candidate that `candidate` stands for."""
    code = choice.code(candidate)
    return choice.subsets[code] if isinstance(choice, Combination) else (code,)


def multi_hot(choice: Choice, candidate: str) -> list[bool]:
    """The list of booleans of a candidate; raises InvalidArchitecture for a value choice, which NNI
    1.9 lacks.
    """
    if isinstance(choice, Values):
        raise InvalidArchitecture(f"{choice.key}: NNI 1.9 has no choice of values")
    taken = taken_by(choice, candidate)
    return [index in taken for index in range(len(parts(choice)))]


def plain(choice: Choice, candidate: str) -> Any:
    """What NNI 2.10 and 3.0 write: the value, the indices of the inputs (alone where one is taken),
    the name.
    """
    if isinstance(choice, Values):
        return choice.values[choice.code(candidate)]
    if isinstance(choice, Combination):
        taken = list(taken_by(choice, candidate))
        return taken[0] if choice.chosen == 1 else taken
    return candidate


def same_value(first: Any, second: Any) -> bool:
    """Whether two plain values are equal as JSON sees them: 1 is neither true nor 1.0, lists are
    tuples.
    """
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(same_value, first, second))
    return type(first) is type(second) and bool(first == second)


def _value_code(choice: Values, value: Any) -> int:
    for code, known in enumerate(choice.values):
        if same_value(known, value):
            return code
    raise InvalidArchitecture(
        f"{choice.key}: unknown value {value!r:.60}; there is: {list(choice.values)!r:.200}"
    )


def _is_multi_hot(items: list[Any]) -> bool:
    # NNI's rule: booleans or floats; a list of integers holds indices, for [0, 1] would be
    # ambiguous.
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
            f"{key}: the multi-hot list has {len(items)} entries; there are {len(names)}"
        )
    for item in items:
        if item not in (0, 1):
            raise InvalidArchitecture(f"{key}: a multi-hot list holds 0.0 and 1.0, not {item!r}")
    return [index for index, item in enumerate(items) if item]


def _index(key: str, names: Sequence[str], item: Any, spelling: Spelling) -> int:
    if isinstance(item, str):
        if item in names:
            return names.index(item)
        if spelling.index_text and item.isascii() and item.isdigit() and len(item) < 6:
            item = int(item)
    if isinstance(item, int) and not isinstance(item, bool):
        if 0 <= item < len(names):
            return item
        raise InvalidArchitecture(
            f"{key}: the index {item} is out of range; there are {len(names)} candidates"
        )
    known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise InvalidArchitecture(f"{key}: unknown candidate {item!r:.60}; there is: {known}")
