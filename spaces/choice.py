"""A decision that a search space leaves open."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spaces.errors import InvalidArchitecture, InvalidParameter

NOTHING = "none"
"""The candidate of a combination that takes no input."""

_MOST_COMBINATIONS = 1 << 15


@dataclass(frozen=True)
class Choice:
    """An ordered set of candidates, of which an architecture takes one.

    Args:
        key: the choice's name, such as `layer_1`.
        candidates: the candidates' names; their order gives the codes.
    """

    key: str
    candidates: tuple[str, ...]

    @cached_property
    def codes(self) -> dict[str, int]:
        """Candidate -> code."""
        return {name: code for code, name in enumerate(self.candidates)}

    def code(self, candidate: object) -> int:
        """The code of a candidate given by name; raises InvalidArchitecture with the names that
        exist.
        """
        if not isinstance(candidate, str) or candidate not in self.codes:
            known = ", ".join(self.candidates[:20]) + (", ..." if len(self.candidates) > 20 else "")
            raise InvalidArchitecture(
                f"{self.key}: unknown candidate {candidate!r}; there is: {known}"
            )
        return self.codes[candidate]


@dataclass(frozen=True)
class Combination(Choice):
    """A choice among inputs (NNI's InputChoice); every allowed set of inputs is one candidate.

    Its codes index `itertools.combinations` where a number is fixed, and are bitmasks (input i is
    bit i) where any number may be chosen. A candidate is named by its inputs, such as `0+2`, or
    `none`.

    Args:
        inputs: the inputs' names, in order.
        chosen: how many an architecture takes; None: any number.
    """

    inputs: tuple[str, ...] = ()
    chosen: int | None = 1

    @classmethod
    def of(cls, key: str, inputs: Sequence[str], chosen: int | None) -> Combination:
        """The combination of these inputs; raises InvalidParameter where there is none, or too
        many.
        """
        names = tuple(inputs)
        if len(set(names)) < len(names) or any(
            not name or "+" in name or name == NOTHING for name in names
        ):
            raise InvalidParameter(
                f"{key}: inputs need different names without '+', not {list(names)}"
            )
        if not names or (chosen is not None and not 1 <= chosen <= len(names)):
            raise InvalidParameter(f"{key}: cannot choose {chosen} of {len(names)} inputs")
        if chosen is None and len(names) > 14:
            raise InvalidParameter(
                f"{key}: any number of {len(names)} inputs has too many combinations; at most 14"
            )
        sets = _subsets(len(names), chosen)
        if len(sets) > _MOST_COMBINATIONS:
            raise InvalidParameter(
                f"{key}: {chosen} of {len(names)} inputs has {len(sets)} combinations; too many"
            )
        candidates = tuple("+".join(names[index] for index in taken) or NOTHING for taken in sets)
        return cls(key, candidates, names, chosen)

    @cached_property
    def subsets(self) -> tuple[tuple[int, ...], ...]:
        """For each code the inputs that it takes, by index."""
        return _subsets(len(self.inputs), self.chosen)

    def code_of(self, taken: Iterable[int]) -> int:
        """The code that takes exactly these inputs; raises InvalidArchitecture where that is not
        allowed.
        """
        wanted = tuple(sorted(taken))
        try:
            return self.subsets.index(wanted)
        except ValueError:
            number = "any number" if self.chosen is None else str(self.chosen)
            raise InvalidArchitecture(
                f"{self.key}: cannot take the inputs {list(wanted)}; {number} of {len(self.inputs)}"
                " are taken"
            ) from None


@dataclass(frozen=True)
class Values(Choice):
    """A choice among plain values (NNI's ValueChoice); candidates are named by their text.

    Args:
        values: the value of each candidate.
    """

    values: tuple[Any, ...] = ()

    @classmethod
    def of(cls, key: str, values: Sequence[Any]) -> Values:
        """The choice among these values; raises InvalidParameter where two read alike."""
        names = tuple(map(str, values))
        if not names or len(set(names)) < len(names):
            raise InvalidParameter(f"{key}: values must be there and differ, not {list(values)}")
        return cls(key, names, tuple(values))


def _subsets(count: int, chosen: int | None) -> tuple[tuple[int, ...], ...]:
    if chosen is not None:
        return tuple(itertools.combinations(range(count), chosen))
    return tuple(
        tuple(bit for bit in range(count) if mask >> bit & 1) for mask in range(1 << count)
    )


def check_keys(choices: Iterable[Choice], given: Iterable[object]) -> None:
    """Raise InvalidArchitecture that names the first choice missing from `given`, or unexpected in
    it.
    """
    known, present = [choice.key for choice in choices], list(given)
    for key in known:
        if key not in present:
            raise InvalidArchitecture(f"the choice {key!r} is missing")
    for name in present:
        if name not in known:
            raise InvalidArchitecture(
                f"unexpected choice {name!r}; the choices are {known[0]} ... {known[-1]}"
            )
