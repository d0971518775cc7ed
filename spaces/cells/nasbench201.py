"""Cells of NAS-Bench-201: edges, flow of information, and isomorphism classes.

Dong and Yang, ICLR 2020 (arXiv 2001.00326; nas_201_api).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.cells import edge_cells

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The candidates of an edge, in the order of the benchmark."""

EDGES = tuple((source, target) for target in (1, 2, 3) for source in range(target))
"""Edges (source, target) in the order of the benchmark's string, the columns of the codes."""

Rule: TypeAlias = Literal["official", "complete", "flat"]
"""Rule that distinguishes cells, with its number of classes among the 15625 cells.

official (6466): The benchmark's `to_unique_str(True)`. Every zero remains a term `#` of a sum, and
only a node that is a single zero counts as zero. complete (5390): Zeros propagate completely, so
that an edge from a node without information vanishes. flat (4930): Nested sums are flattened too;
no two of these classes compute the same.
"""

_NONE = OPERATIONS.index("none")
_SKIP = OPERATIONS.index("skip_connect")
_ZERO = "#"


def unique_string(codes: Sequence[int], rule: Rule = "complete") -> str:
    """Describe a cell's output by a text that is equal for equal cells.

    A node is the sorted sum of its edges, `(source)@operation` each; `skip_connect` is its source.

    Args:
        codes: Operation of each of the six edges.
        rule: Rule that distinguishes cells; see `Rule`.
    """
    nodes: dict[int, tuple[str, ...]] = {0: ("0",)}
    operations = dict(zip(EDGES, codes, strict=True))
    for target in (1, 2, 3):
        # A node without terms is zero.
        terms: list[str] = []
        for source in range(target):
            terms += _terms(nodes[source], operations[source, target], rule)
        nodes[target] = tuple(sorted(terms)) or (_ZERO,)

    return "+".join(nodes[3])


def _terms(source: tuple[str, ...], operation: int, rule: Rule) -> tuple[str, ...]:
    if operation == _NONE or source == (_ZERO,):
        return (_ZERO,) if rule == "official" else ()

    text = "+".join(source)
    if operation == _SKIP:
        # A nested sum remains one term unless sums are flattened.
        return source if rule == "flat" else (text,)

    return (f"({text})@{OPERATIONS[operation]}",)


def classes(codes: NDArray[Any], rule: Rule = "complete") -> NDArray[np.int64]:
    """Return the isomorphism classes of cells.

    Two cells of one class compute the same but for the order of sums.

    Args:
        codes: Cells, int array [n, 6].
        rule: Rule that distinguishes cells; see `Rule`.

    Returns:
        Int array [n]: index of the class's first cell among all cells, with the last edge fastest.
    """
    # Cells are numbered with the last edge fastest.
    index = np.ravel_multi_index(
        np.asarray(codes, dtype=np.int64).T, (len(OPERATIONS),) * len(EDGES)
    )
    first_cells: NDArray[np.int64] = _first_cells(rule)[index]
    return first_cells


@functools.cache
def _first_cells(rule: Rule) -> NDArray[np.int64]:
    """Return for each of the 15625 cells the index of its class's first cell."""
    # The first cell of a class represents it.
    first: dict[str, int] = {}
    cells = itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))
    return np.array(
        [first.setdefault(unique_string(cell, rule), index) for index, cell in enumerate(cells)],
        dtype=np.int64,
    )


def live_edges(codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the edges of cells, int array [n, 6], on a path of information: bool array [n, 6]."""
    return edge_cells.live_edges(np.asarray(codes) != _NONE, EDGES)
