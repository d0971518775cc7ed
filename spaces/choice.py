"""Choice: a decision that a search space leaves open."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spaces.errors import InvalidArchitecture, InvalidParameter

NOTHING = "none"
"""The candidate of a combination that takes no input."""

# Codes are int16 at most.
_MAX_COMBINATIONS = 1 << 15
_MAX_INPUTS_OF_ANY_NUMBER = 14
_MAX_LISTED = 20


@dataclass(frozen=True)
class Choice:
    """An ordered set of candidates, of which an architecture takes one.

    Args:
        key: Name of the choice, such as `layer_1`.
        candidates: Names of the candidates; their order determines the codes.

    Example:
        >>> choice = Choice("layer_1", ("k3", "k5", "k7"))
        >>> choice.code("k5")
        1
    """

    key: str
    candidates: tuple[str, ...]

    @cached_property
    def codes(self) -> dict[str, int]:
        """Candidate -> code."""
        return {name: code for code, name in enumerate(self.candidates)}

    def code(self, candidate: object) -> int:
        """Return the code of a candidate; a number means its text.

        Raises:
            InvalidArchitecture: There is no such candidate; the message lists those that exist.
        """
        name = str(candidate) if isinstance(candidate, int | float) else candidate
        if not isinstance(name, str) or name not in self.codes:
            ellipsis = ", ..." if len(self.candidates) > _MAX_LISTED else ""
            listed = ", ".join(self.candidates[:_MAX_LISTED]) + ellipsis
            raise InvalidArchitecture(
                f"{self.key}: unknown candidate {candidate!r}; available: {listed}"
            )

        return self.codes[name]


@dataclass(frozen=True)
class Combination(Choice):
    """A choice among inputs (NNI's InputChoice); every allowed set of inputs is one candidate.

    With a fixed number of inputs the codes index `itertools.combinations`. With any number they are
    bitmasks, in which bit i is input i. A candidate is named by its inputs, such as `0+2`, or
    `none`. Create one with `from_inputs`.

    Args:
        inputs: Names of the inputs, in order.
        n_chosen: Number of inputs that an architecture takes. None: any number.
        repeated: Whether an input may take several positions, such as `0+0`; these candidates come
            last.

    Example:
        >>> choice = Combination.from_inputs("node_2", ["a", "b", "c"], 2)
        >>> choice.candidates
        ('a+b', 'a+c', 'b+c')
        >>> choice.code_of([2, 0])
        1
    """

    inputs: tuple[str, ...] = ()
    n_chosen: int | None = 1
    repeated: bool = False

    @classmethod
    def from_inputs(
        cls, key: str, inputs: Sequence[str], n_chosen: int | None, repeated: bool = False
    ) -> Combination:
        """Enumerate the allowed sets of inputs.

        Args:
            key: Name of the choice.
            inputs: Names of the inputs, in order.
            n_chosen: Number of inputs that an architecture takes. None: any number.
            repeated: Whether an input may take several positions.

        Raises:
            InvalidParameter: There is no combination, there are too many, or a name is unusable.
        """
        names = tuple(inputs)
        if len(set(names)) < len(names) or any(
            not name or "+" in name or name == NOTHING for name in names
        ):
            raise InvalidParameter(
                f"{key}: inputs need different names without '+', not {list(names)}"
            )

        if not names or (n_chosen is not None and not 1 <= n_chosen <= len(names)):
            raise InvalidParameter(f"{key}: cannot choose {n_chosen} of {len(names)} inputs")

        if n_chosen is None and len(names) > _MAX_INPUTS_OF_ANY_NUMBER:
            raise InvalidParameter(
                f"{key}: any number of {len(names)} inputs has too many combinations; at most"
                f" {_MAX_INPUTS_OF_ANY_NUMBER}"
            )

        # The order of the subsets determines the codes, also those in files.
        subsets = _subsets(len(names), n_chosen, repeated)
        if len(subsets) > _MAX_COMBINATIONS:
            raise InvalidParameter(
                f"{key}: {n_chosen} of {len(names)} inputs has {len(subsets)} combinations; too"
                " many"
            )

        candidates = ["+".join(names[index] for index in subset) or NOTHING for subset in subsets]

        return cls(key, tuple(candidates), names, n_chosen, repeated)

    @cached_property
    def subsets(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the inputs that each code takes."""
        return _subsets(len(self.inputs), self.n_chosen, self.repeated)

    def code_of(self, indices: Iterable[int]) -> int:
        """Return the code that takes exactly these inputs, in any order.

        Raises:
            InvalidArchitecture: No candidate takes them.
        """
        subset = tuple(sorted(indices))
        try:
            return self.subsets.index(subset)
        except ValueError:
            number = "any number" if self.n_chosen is None else str(self.n_chosen)
            raise InvalidArchitecture(
                f"{self.key}: cannot take the inputs {list(subset)}; {number} of {len(self.inputs)}"
                " are taken"
            ) from None


@dataclass(frozen=True)
class Values(Choice):
    """A choice among plain values (NNI's ValueChoice); candidates are named by their text.

    Create one with `from_values`.

    Args:
        values: Value of each candidate.

    Example:
        >>> Values.from_values("resolution", [160, 192, 224]).candidates
        ('160', '192', '224')
    """

    values: tuple[Any, ...] = ()

    @classmethod
    def from_values(cls, key: str, values: Sequence[Any]) -> Values:
        """Name each value by its text.

        Raises:
            InvalidParameter: There are no values, or two have the same text.
        """
        names = tuple(map(str, values))
        if not names or len(set(names)) < len(names):
            raise InvalidParameter(
                f"{key}: needs values whose texts differ, at least one, not {list(values)}"
            )
        return cls(key, names, tuple(values))


def _subsets(count: int, n_chosen: int | None, repeated: bool) -> tuple[tuple[int, ...], ...]:
    if n_chosen is not None:
        different = itertools.combinations(range(count), n_chosen)
        if not repeated:
            return tuple(different)

        selections = itertools.combinations_with_replacement(range(count), n_chosen)
        several = (subset for subset in selections if len(set(subset)) < n_chosen)
        return *different, *several

    # Code and bitmask are equal here.
    masks = range(1 << count)
    return tuple(tuple(bit for bit in range(count) if mask >> bit & 1) for mask in masks)


def check_keys(choices: Iterable[Choice], keys: Iterable[object]) -> None:
    """Compare the keys of an architecture with the choices of its space.

    Raises:
        InvalidArchitecture: A choice is missing, or a key is no choice; the first one is named.
    """
    expected = [choice.key for choice in choices]
    present = list(keys)
    for key in expected:
        if key not in present:
            raise InvalidArchitecture(f"the choice {key!r} is missing")

    for name in present:
        if name not in expected:
            raise InvalidArchitecture(
                f"unexpected choice {name!r}; the choices are {expected[0]} ... {expected[-1]}"
            )
