"""Cells of DARTS as graphs for predictors.

Each of the two cells is a separate component: two inputs, eight operations (nodes here, edges in
the paper) and an output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.cells.darts import CELLS, INPUTS, NODES, OPERATIONS, SLOTS, columns

if TYPE_CHECKING:
    from torch_geometric.data import Batch

OUTPUT = "output"
"""The label of a cell's output in graphs."""

_PER_CELL = 2 + NODES * SLOTS + 1
"""Nodes per cell: inputs, operations and the output."""
POSITIONS = len(CELLS) * (NODES * SLOTS + 1) + 1
"""Number of positions: operations and output of both cells, then the previous cell's output."""

_NONE = OPERATIONS.index("none")


def graphs_of_cells(codes: NDArray[Any]) -> Batch:
    """Build the graphs of `codes` [n, 24], without operations that carry no information.

    These are `none`, and those that read nothing else. See `spaces.graphs.graph`.
    """
    from spaces.graphs.graph import dense_graphs

    nodes = len(CELLS) * _PER_CELL
    operation = np.zeros((len(codes), nodes), dtype=np.int64)
    position = np.zeros(nodes, dtype=np.int64)
    adjacency = np.zeros((len(codes), nodes, nodes), dtype=bool)

    for cell in range(len(CELLS)):
        nodes_of_cell = slice(cell * _PER_CELL, (cell + 1) * _PER_CELL)
        labels, edges = _cell_arrays(codes, cell)
        operation[:, nodes_of_cell] = labels
        adjacency[:, nodes_of_cell, nodes_of_cell] = edges

        first = cell * (NODES * SLOTS + 1) + 1
        # Both cells share the positions of their inputs.
        position[nodes_of_cell] = [0, POSITIONS, *range(first, first + NODES * SLOTS + 1)]

    return dense_graphs(operation, position, adjacency)


def _cell_arrays(codes: NDArray[Any], cell: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return labels [n, nodes of a cell] and adjacency [n, nodes, nodes] of one cell."""
    count = len(codes)
    rows = np.arange(count)
    output = _PER_CELL - 1
    operation = np.zeros((count, _PER_CELL), dtype=np.int64)
    # Labels 1 to 7 are the operations without `none`.
    operation[:, output] = len(OPERATIONS)
    adjacency = np.zeros((count, _PER_CELL, _PER_CELL), dtype=bool)
    # Whether the inputs and the nodes hold information.
    filled = np.ones((count, 2 + NODES), dtype=bool)

    for node in range(NODES):
        pair, *operation_columns = columns(cell, node)
        for slot, column in enumerate(operation_columns):
            vertex = 2 + SLOTS * node + slot
            source = np.array(INPUTS[node])[codes[:, pair], slot]
            present = filled[rows, source] & (codes[:, column] != _NONE)
            operation[:, vertex] = np.where(present, codes[:, column], -1)
            # A node is the sum of its operations, so that its readers read each of them.
            for earlier in range(2 + node):
                first = 2 + SLOTS * (earlier - 2)
                ends = [earlier] if earlier < 2 else list(range(first, first + SLOTS))
                adjacency[:, ends, vertex] = (source == earlier)[:, None]
            # The output concatenates all nodes.
            adjacency[:, vertex, output] = True

        terms = operation[:, 2 + SLOTS * node : 2 + SLOTS * (node + 1)]
        filled[:, 2 + node] = (terms >= 0).any(1)

    return operation, adjacency
