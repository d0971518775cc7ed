"""Conditions of choices: a nested choice has an effect only in a selected candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

Chain: TypeAlias = tuple[tuple[int, frozenset[int]], ...]
"""Conditions (column, its codes) that must all hold, from the outside in; empty: always."""

Chains: TypeAlias = tuple[Chain, ...]
"""Chains of which one must hold."""

ALWAYS: Chains = ((),)


def holds(chains: Chains, codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for which rows of `codes` [n, choices] one of the chains holds: bool array [n]."""
    any_holds = np.zeros(len(codes), dtype=bool)
    for chain in chains:
        chain_holds = np.ones(len(codes), dtype=bool)
        for column, accepted in chain:
            chain_holds &= np.isin(codes[:, column], list(accepted))
        any_holds |= chain_holds
    return any_holds


def canonical(conditions: Sequence[Chains], codes: Codes) -> Codes:
    """Return `codes` with 0 for every choice whose condition does not hold.

    Args:
        conditions: Condition of each choice. A chain begins at a choice that always has an effect
            and names all in between, so that codes of choices without effect decide nothing.
        codes: Int array [n, choices].
    """
    settled = codes.copy(order="F")
    for column, chains in enumerate(conditions):
        if chains != ALWAYS:
            settled[:, column] *= holds(chains, codes)
    return settled


def count(conditions: Sequence[Chains], candidates: Sequence[int]) -> int:
    """Return the exact number of canonical codes.

    Args:
        conditions: Condition of each choice.
        candidates: Number of candidates of each choice.
    """
    return _count(
        {column: chains for column, chains in enumerate(conditions) if chains}, candidates
    )


def _count(conditions: Mapping[int, Chains], candidates: Sequence[int]) -> int:
    # Groups of choices that no condition connects multiply. In each group a choice that always has
    # an effect, and on which others depend, is decided first.
    total = 1
    for group in _groups(conditions):
        connected = {column: conditions[column] for column in group}
        first = next((column for column in _deciding(connected) if () in connected[column]), None)
        if first is None:
            total *= math.prod(candidates[column] for column in group)
            continue

        others = {column: chains for column, chains in connected.items() if column != first}
        total *= sum(
            _count(_decided(others, first, code), candidates) for code in range(candidates[first])
        )

    return total


def _deciding(conditions: Mapping[int, Chains]) -> list[int]:
    return sorted(
        {column for chains in conditions.values() for chain in chains for column, _ in chain}
    )


def _decided(conditions: Mapping[int, Chains], column: int, code: int) -> dict[int, Chains]:
    """Return the conditions that can still hold once a choice has a code."""
    remaining: dict[int, Chains] = {}
    for other, chains in conditions.items():
        possible = [
            chain
            for chain in chains
            if all(code in accepted for name, accepted in chain if name == column)
        ]

        # The decided choice is left out of the remaining conditions: its condition holds.
        simpler = {tuple(item for item in chain if item[0] != column) for chain in possible}
        if simpler:
            remaining[other] = ALWAYS if () in simpler else tuple(sorted(simpler, key=repr))

    return remaining


def _groups(conditions: Mapping[int, Chains]) -> list[list[int]]:
    """Return the columns in groups that conditions connect."""
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
