"""Numeric features of the values of ValueChoices, shared between choices.

One-hot codes and labels say that 16, 32 and 64 differ, not that 32 lies between the others, nor
that a 32 of two choices is the same number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.choice import Choice, Values
from spaces.space import Codes, SearchSpace


@dataclass(frozen=True)
class ValueFamily:
    """Numbers of several choices that are on one scale.

    Args:
        columns: Indices of the choices.
        numbers: For each of these choices the number of every candidate, float [candidates].
    """

    columns: tuple[int, ...]
    numbers: tuple[NDArray[np.float64], ...]

    def standardised(self) -> tuple[NDArray[np.float64], ...]:
        """Return the numbers with the mean 0 and the deviation 1 over the different ones."""
        distinct = np.unique(np.concatenate(self.numbers))
        deviation = distinct.std() or 1.0
        return tuple((numbers - distinct.mean()) / deviation for numbers in self.numbers)

    def shares_number(self, numbers: NDArray[np.float64]) -> bool:
        """Return whether one of `numbers` [candidates] is a number of the family."""
        return any(np.isin(numbers, others).any() for others in self.numbers)


def value_families(space: SearchSpace) -> tuple[ValueFamily, ...]:
    """Return the numbers of a space's ValueChoices, by the scale that they are on.

    Choices of values with a number in common are on one scale, such as the widths (16, 32) and
    (32, 64). A value of several numbers, such as (kernel, expansion), is on one scale for each of
    them. Values that are no numbers have none.

    Args:
        space: Space of the architectures.
    """
    # By the number of parts and the part: a kernel of 3 is not an expansion of 3.
    families: dict[tuple[int, int], list[ValueFamily]] = {}
    for column, choice in enumerate(space.choices):
        parts = _numbers(choice)
        for part, numbers in enumerate(parts):
            group = families.setdefault((len(parts), part), [])
            related = [family for family in group if family.shares_number(numbers)]
            group[:] = [family for family in group if family not in related]
            group.append(_merged([*related, ValueFamily((column,), (numbers,))]))

    return tuple(family for group in families.values() for family in group)


def value_features(space: SearchSpace, codes: Codes) -> NDArray[np.float32]:
    """Compute the standardised numbers of the selected values, and their sums by scale.

    Args:
        space: Space of the architectures.
        codes: Codes of the architectures, int array [n, choices].

    Returns:
        Float array [n, features]; without features where no value is a number.
    """
    features: list[NDArray[np.float64]] = []
    for family in value_families(space):
        selected = [
            numbers[codes[:, column]]
            for column, numbers in zip(family.columns, family.standardised(), strict=True)
        ]
        features += selected
        if len(selected) > 1:
            features.append(np.sum(selected, axis=0))

    if not features:
        return np.zeros((len(codes), 0), dtype=np.float32)
    return np.stack(features, axis=1).astype(np.float32)


def label_values(
    space: SearchSpace, labels: Iterable[str], first: int = 0
) -> NDArray[np.float32] | None:
    """Tabulate the numbers of candidates by their label, for encoders that embed labels.

    Args:
        space: Space of the architectures.
        labels: Names of candidates in the order of their labels.
        first: Label of the first name.

    Returns:
        Float array [labels, scales]: the standardised number, or 0 where a label has none; None
        where no value of the space is a number.
    """
    families = value_families(space)
    if not families:
        return None

    label_of = {name: label for label, name in enumerate(labels, first)}
    table = np.zeros((len(label_of) + first, len(families)), dtype=np.float32)
    for scale, family in enumerate(families):
        # Standardised, so that an encoder's initial weights suit widths and rates.
        for column, numbers in zip(family.columns, family.standardised(), strict=True):
            rows = [label_of[name] for name in space.choices[column].candidates]
            table[rows, scale] = numbers

    return table


def _numbers(choice: Choice) -> list[NDArray[np.float64]]:
    """Return for each part of a choice's values the numbers [candidates]; empty without numbers."""
    if not isinstance(choice, Values):
        return []

    rows = [value if isinstance(value, tuple | list) else (value,) for value in choice.values]
    # Values of different lengths have no parts in common.
    if len({len(row) for row in rows}) != 1:
        return []
    if not all(_is_number(part) for row in rows for part in row):
        return []
    return list(np.array(rows, dtype=np.float64).T)


def _is_number(value: Any) -> bool:
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and bool(np.isfinite(value))


def _merged(families: list[ValueFamily]) -> ValueFamily:
    pairs = sorted(
        (pair for family in families for pair in zip(family.columns, family.numbers, strict=True)),
        key=lambda pair: pair[0],
    )
    return ValueFamily(tuple(column for column, _ in pairs), tuple(row for _, row in pairs))
