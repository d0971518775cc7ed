"""Cells of NAS-Bench-201: their edges, which of them carry information, and which cells are one
network.

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
"""(source, target) of the six edges, in the order of the benchmark's string: the columns of the
codes.
"""

Rule: TypeAlias = Literal["official", "complete", "flat"]
"""How cells are told apart; the 15625 cells have so many classes:

official (6466): the benchmark's `to_unique_str(True)`. Every zero stays as a term `#` of a sum, and
only a node that is a single zero counts as zero. complete (5390): zeros propagate all the way, so
that an edge from a node without information vanishes. flat (4930): sums within sums are one sum
too; no cells of two such classes compute the same.
"""

_NONE, _SKIP = OPERATIONS.index("none"), OPERATIONS.index("skip_connect")
_ZERO = "#"


def unique_string(codes: Sequence[int], rule: Rule = "complete") -> str:
    """What reaches the output of a cell, as a text that equal cells share.

    A node is the sorted sum of its edges, `(source)@operation` each; `skip_connect` is its source.

    Args:
        codes: operation of each of the six edges.
        rule: see `Rule`.
    """
    nodes: dict[int, tuple[str, ...]] = {0: ("0",)}
    chosen = dict(zip(EDGES, codes, strict=True))
    for target in (1, 2, 3):
        terms: list[str] = []
        for source in range(target):
            terms += _terms(nodes[source], chosen[source, target], rule)
        nodes[target] = tuple(sorted(terms)) or (_ZERO,)
    return "+".join(nodes[3])


def _terms(source: tuple[str, ...], operation: int, rule: Rule) -> tuple[str, ...]:
    if operation == _NONE or source == (_ZERO,):
        return (_ZERO,) if rule == "official" else ()
    text = "+".join(source)
    if operation == _SKIP:
        return source if rule == "flat" else (text,)
    return (f"({text})@{OPERATIONS[operation]}",)


def classes(codes: NDArray[Any], rule: Rule = "complete") -> NDArray[np.int64]:
    """The isomorphism classes of cells; cells of one class compute the same, but for the order of
    sums.

    Args:
        codes: cells, int array [n, 6].
        rule: see `Rule`.

    Returns:
        Int array [n]: the class's first cell, as an index into all cells with the last edge
        fastest.
    """
    index = np.ravel_multi_index(
        np.asarray(codes, dtype=np.int64).T, (len(OPERATIONS),) * len(EDGES)
    )
    found: NDArray[np.int64] = _class_of_each(rule)[index]
    return found


@functools.cache
def _class_of_each(rule: Rule) -> NDArray[np.int64]:
    first: dict[str, int] = {}
    cells = itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))
    return np.array(
        [first.setdefault(unique_string(cell, rule), index) for index, cell in enumerate(cells)],
        dtype=np.int64,
    )


def live_edges(codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which edges of cells, int array [n, 6], lie on a path of information from input to output:
    bool array [n, 6].
    """
    return edge_cells.live_edges(np.asarray(codes) != _NONE, EDGES)
