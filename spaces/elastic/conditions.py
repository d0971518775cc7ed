"""Choices without effect: those inside of blocks that are left out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spaces.elastic.choices import ElasticChoice, Removal, Width

# Blocks whose patterns of removal are enumerated to count architectures.
_MOST_LINKED = 16


def owners_of(choices: Sequence[ElasticChoice]) -> list[frozenset[int]]:
    """Return the columns of the blocks without all of which a choice has no effect.

    Args:
        choices: Choices, one a column.

    Returns:
        Columns for each choice; empty where it has an effect in every network.
    """
    blocks = {
        choice.path: column for column, choice in enumerate(choices) if isinstance(choice, Removal)
    }
    owners: list[frozenset[int]] = []
    for choice in choices:
        if isinstance(choice, Removal):
            owners.append(frozenset())
            continue
        paths = choice.slices.paths if isinstance(choice, Width) else {choice.path}
        around = {_block_around(path, blocks) for path in paths}
        is_always = None in around
        owners.append(frozenset(block for block in around if block is not None and not is_always))
    return owners


def _block_around(path: str, blocks: dict[str, int]) -> int | None:
    for block, column in blocks.items():
        if path == block or path.startswith(f"{block}."):
            return column
    return None


def canonical(
    owners: Sequence[frozenset[int]], codes: NDArray[np.signedinteger]
) -> NDArray[np.signedinteger]:
    """Return codes [n, choices] in which choices without effect are 0."""
    if not any(owners):
        return codes
    result = np.array(codes, order="F")
    for column, blocks in enumerate(owners):
        if blocks:
            is_idle = np.all([codes[:, block] > 0 for block in blocks], axis=0)
            result[is_idle, column] = 0
    return result


def count(owners: Sequence[frozenset[int]], candidates: Sequence[int]) -> int:
    """Return the number of different architectures.

    Args:
        owners: See `owners_of`.
        candidates: Number of candidates of each choice.
    """
    linked = [blocks for blocks in owners if blocks]
    removals = set().union(*linked) if linked else set()
    total = math.prod(
        number
        for column, number in enumerate(candidates)
        if not owners[column] and column not in removals
    )
    for component in _components(linked):
        total *= _count_component(sorted(component), owners, candidates)
    return total


def _components(linked: Sequence[frozenset[int]]) -> list[set[int]]:
    """Return sets of blocks that no choice connects with the others."""
    components: list[set[int]] = []
    for blocks in linked:
        merged = set(blocks)
        separate = []
        for component in components:
            if component & merged:
                merged |= component
            else:
                separate.append(component)
        components = [*separate, merged]
    return components


def _count_component(
    blocks: Sequence[int], owners: Sequence[frozenset[int]], candidates: Sequence[int]
) -> int:
    inside = [column for column, around in enumerate(owners) if around & set(blocks)]
    if len(blocks) > _MOST_LINKED:
        # An upper bound: too many patterns to enumerate.
        return math.prod(candidates[column] for column in (*blocks, *inside))
    total = 0
    for pattern in itertools.product((False, True), repeat=len(blocks)):
        removed = {block for block, is_removed in zip(blocks, pattern, strict=True) if is_removed}
        total += math.prod(candidates[column] for column in inside if not owners[column] <= removed)
    return total
