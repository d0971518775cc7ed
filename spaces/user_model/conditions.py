"""When choices have an effect: nested ones only while what holds them is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

Chain: TypeAlias = tuple[tuple[int, frozenset[int]], ...]
"""Conditions that must all hold, from the outside in: (column, its codes); empty: always."""

Chains: TypeAlias = tuple[Chain, ...]
"""Conditions of which one must hold."""

ALWAYS: Chains = ((),)


def holds(chains: Chains, codes: NDArray[Any]) -> NDArray[np.bool_]:
    """For which rows of `codes` [n, choices] one of the chains holds: bool array [n]."""
    found = np.zeros(len(codes), dtype=bool)
    for chain in chains:
        every = np.ones(len(codes), dtype=bool)
        for column, taken in chain:
            every &= np.isin(codes[:, column], list(taken))
        found |= every
    return found


def canonical(conditions: Sequence[Chains], codes: Codes) -> Codes:
    """`codes` [n, choices] with 0 for every choice whose condition does not hold.

    Args:
        conditions: of each choice. A chain begins at a choice that always has an effect and names
            all that lie between, so that codes of choices without effect decide nothing.
        codes: int array [n, choices].
    """
    settled = codes.copy(order="F")
    for column, chains in enumerate(conditions):
        if chains != ALWAYS:
            settled[:, column] *= holds(chains, codes)
    return settled


def count(conditions: Sequence[Chains], candidates: Sequence[int]) -> int:
    """How many codes are canonical, exactly.

    Args:
        conditions: of each choice.
        candidates: how many each choice has.
    """
    return _count(
        {column: chains for column, chains in enumerate(conditions) if chains}, candidates
    )


def _count(conditions: Mapping[int, Chains], candidates: Sequence[int]) -> int:
    # Choices that no condition ties together multiply; in each group one that always counts is
    # decided first.
    total = 1
    for group in _groups(conditions):
        tied = {column: conditions[column] for column in group}
        first = next((column for column in _deciding(tied) if () in tied[column]), None)
        if first is None:
            total *= math.prod(candidates[column] for column in group)
            continue
        rest = {column: chains for column, chains in tied.items() if column != first}
        total *= sum(
            _count(_decided(rest, first, code), candidates) for code in range(candidates[first])
        )
    return total


def _deciding(conditions: Mapping[int, Chains]) -> list[int]:
    return sorted(
        {column for chains in conditions.values() for chain in chains for column, _ in chain}
    )


def _decided(conditions: Mapping[int, Chains], column: int, code: int) -> dict[int, Chains]:
    """The conditions left when a choice has this code; what can no longer hold is left out."""
    left: dict[int, Chains] = {}
    for other, chains in conditions.items():
        possible = [
            chain
            for chain in chains
            if all(code in taken for name, taken in chain if name == column)
        ]
        simpler = {tuple(part for part in chain if part[0] != column) for chain in possible}
        if simpler:
            left[other] = ALWAYS if () in simpler else tuple(sorted(simpler, key=repr))
    return left


def _groups(conditions: Mapping[int, Chains]) -> list[list[int]]:
    """The columns, grouped by what conditions connect."""
    group = {column: {column} for column in conditions}
    for column, chains in conditions.items():
        for name in {name for chain in chains for name, _ in chain if name in conditions}:
            if group[name] is not group[column]:
                group[column] |= group[name]
                for member in group[column]:
                    group[member] = group[column]
    return [
        sorted(members) for members in {id(members): members for members in group.values()}.values()
    ]
