"""Cells of DARTS as graphs for predictors.

Either cell has two inputs, eight operations (nodes here, edges in the paper) and an output; the two
are apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.cells.darts import CELLS, INPUTS, NODES, OPERATIONS, SLOTS, columns

if TYPE_CHECKING:
    from torch_geometric.data import Batch

OUTPUT = "output"
_PER_CELL = 2 + NODES * SLOTS + 1  # inputs, operations, output
POSITIONS = len(CELLS) * (NODES * SLOTS + 1) + 1
"""The operations of both cells, each with its output behind them; last the later one of the cells
before.
"""

_NONE = OPERATIONS.index("none")


def graphs_of_cells(codes: NDArray[Any]) -> Batch:
    """The graphs of `codes` [n, 24], without what is `none` or reads nothing else; see
    `spaces.graph`.
    """
    from spaces.graph import dense_graphs

    nodes = len(CELLS) * _PER_CELL
    operation = np.zeros((len(codes), nodes), dtype=np.int64)
    position = np.zeros(nodes, dtype=np.int64)
    adjacency = np.zeros((len(codes), nodes, nodes), dtype=bool)
    for cell in range(len(CELLS)):
        part = slice(cell * _PER_CELL, (cell + 1) * _PER_CELL)
        operation[:, part], adjacency[:, part, part] = _cell(codes, cell)
        first = cell * (NODES * SLOTS + 1) + 1
        position[part] = [0, POSITIONS, *range(first, first + NODES * SLOTS + 1)]
    return dense_graphs(operation, position, adjacency)


def _cell(codes: NDArray[Any], cell: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    count, rows, output = len(codes), np.arange(len(codes)), _PER_CELL - 1
    operation = np.zeros((count, _PER_CELL), dtype=np.int64)
    operation[:, output] = len(OPERATIONS)  # labels 1 ... 7 are the operations but `none`
    adjacency = np.zeros((count, _PER_CELL, _PER_CELL), dtype=bool)
    filled = np.ones((count, 2 + NODES), dtype=bool)  # whether inputs and nodes hold anything
    for node in range(NODES):
        pair, *where = columns(cell, node)
        for slot, column in enumerate(where):
            vertex = 2 + SLOTS * node + slot
            source = np.array(INPUTS[node])[codes[:, pair], slot]
            there = filled[rows, source] & (codes[:, column] != _NONE)
            operation[:, vertex] = np.where(there, codes[:, column], -1)
            # A node is the sum of its operations, so that what reads it reads them.
            for before in range(2 + node):
                ends = (
                    [before]
                    if before < 2
                    else [2 + SLOTS * (before - 2) + term for term in range(SLOTS)]
                )
                adjacency[:, ends, vertex] = (source == before)[:, None]
            adjacency[:, vertex, output] = True
        own = operation[:, 2 + SLOTS * node : 2 + SLOTS * (node + 1)]
        filled[:, 2 + node] = (own >= 0).any(1)
    return operation, adjacency
