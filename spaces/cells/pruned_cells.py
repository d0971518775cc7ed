"""What a runtime executes of cells of NAS-Bench-201 once it has removed everything else."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.cells.nasbench201 import EDGES, OPERATIONS, live_edges

Value: TypeAlias = tuple[Any, ...]
"""A tensor of a cell by how it is computed: an operator and the values that it is applied to."""

_NONE = OPERATIONS.index("none")
_SKIP = OPERATIONS.index("skip_connect")
_POOL = OPERATIONS.index("avg_pool_3x3")

_INPUT: Value = ("input",)
_CONSTANT = "constant"


@dataclass(frozen=True)
class PrunedCells:
    """What a runtime executes of cells once it has removed everything else.

    It removes edges that do not reach the output, computes at once what follows from zeros alone,
    and computes once what several edges or nodes compute alike: pools of one value, such as of a
    node and of its copy by a skip connection, and sums that begin alike.

    Args:
        codes: Cells [n, 6] in which edges that are not executed are `none`.
        pools: Number of pools of each cell, int array [n].
        additions: Number of additions of two executed values, int array [n].
        constants: Number of additions of a constant that follows from zeros, int array [n].
    """

    codes: NDArray[Any]
    pools: NDArray[np.int64]
    additions: NDArray[np.int64]
    constants: NDArray[np.int64]


def pruned_cells(codes: NDArray[Any]) -> PrunedCells:
    """Return what a runtime executes of cells, int array [n, 6].

    Example:
        >>> import numpy as np
        >>> cells = pruned_cells(np.array([[3, 0, 0, 1, 0, 4], [0, 4, 2, 0, 1, 4]]))
        >>> cells.codes.tolist()
        [[0, 0, 0, 1, 0, 0], [0, 4, 0, 0, 0, 4]]
        >>> cells.additions.tolist(), cells.constants.tolist()
        ([0, 0], [1, 2])
    """
    codes = np.asarray(codes)
    shape = (len(OPERATIONS),) * len(EDGES)
    counts = _all_counts()[:, np.ravel_multi_index(tuple(codes.T), shape)]

    return PrunedCells(np.where(live_edges(codes), codes, _NONE), *counts)


@functools.cache
def _all_counts() -> NDArray[np.int64]:
    """Return the counts of all cells, int array [counts, 15625], the last edge fastest."""
    cells = itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))
    return np.array([_counts(cell) for cell in cells], dtype=np.int64).T


def _counts(cell: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the pools, additions and additions of constants of a cell."""
    executed = _executed(_output(cell))
    pools = sum(value[0] == "pool" for value in executed)
    sums = [value for value in executed if value[0] == "add"]
    constants = sum(any(term[0] == _CONSTANT for term in value[1:]) for value in sums)

    return pools, len(sums) - constants, constants


def _output(cell: tuple[int, ...]) -> Value:
    """Return the output of a cell, computed as its ONNX graph does."""
    operations = dict(zip(EDGES, cell, strict=True))
    nodes: list[Value] = [_INPUT]
    for target in (1, 2, 3):
        # A node without edges is zero.
        node: Value = (_CONSTANT, "zero")
        terms = [
            _applied(operations[source, target], (source, target), nodes[source])
            for source in range(target)
            if operations[source, target] != _NONE
        ]
        # The order of the sum decides how many constants are added to what is executed.
        if terms:
            node = functools.reduce(_sum, terms)
        nodes.append(node)

    return nodes[-1]


def _applied(operation: int, edge: tuple[int, int], value: Value) -> Value:
    if operation == _SKIP:
        return value

    # Pools are the same on all edges; each convolution has weights of its own.
    applied = ("pool", value) if operation == _POOL else (f"conv {edge}", value)
    return (_CONSTANT, applied) if value[0] == _CONSTANT else applied


def _sum(first: Value, second: Value) -> Value:
    added = ("add", first, second)
    return (_CONSTANT, added) if first[0] == second[0] == _CONSTANT else added


def _executed(output: Value) -> set[Value]:
    """Return the values that have to be computed while the network runs, each once."""
    found: set[Value] = set()
    pending = [output]
    while pending:
        value = pending.pop()
        if value not in found and value != _INPUT and value[0] != _CONSTANT:
            found.add(value)
            pending += value[1:]
    return found
