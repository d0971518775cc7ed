"""Cells of DARTS as graphs for predictors.

Each of the two cells is a separate component: two inputs, its operations (nodes here, edges in the
paper) and an output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.cells.darts_design import CELLS, CellDesign

if TYPE_CHECKING:
    from torch_geometric.data import Batch

OUTPUT = "output"
"""The label of a cell's output in graphs."""


def positions_of(design: CellDesign) -> int:
    """Return the number of positions in graphs of a design's cells.

    They are the operations and the output of both cells, then the previous cell's output.
    """
    return len(CELLS) * (_operations_of(design) + 1) + 1


def graphs_of_cells(codes: NDArray[Any], design: CellDesign) -> Batch:
    """Build the graphs of cells, without operations that carry no information.

    These are `none`, and those that read nothing else. See `spaces.graphs.graph`.

    Args:
        codes: Codes of both cells, int array [n, choices].
        design: Operations and nodes of the cells.
    """
    from spaces.graphs.graph import dense_graphs

    # Nodes per cell: inputs, operations and the output.
    per_cell = 2 + _operations_of(design) + 1
    nodes = len(CELLS) * per_cell
    operation = np.zeros((len(codes), nodes), dtype=np.int64)
    position = np.zeros(nodes, dtype=np.int64)
    adjacency = np.zeros((len(codes), nodes, nodes), dtype=bool)

    for cell in range(len(CELLS)):
        nodes_of_cell = slice(cell * per_cell, (cell + 1) * per_cell)
        labels, edges = _cell_arrays(codes, cell, design)
        operation[:, nodes_of_cell] = labels
        adjacency[:, nodes_of_cell, nodes_of_cell] = edges

        first = cell * (per_cell - 2) + 1
        # Both cells share the positions of their inputs.
        position[nodes_of_cell] = [0, positions_of(design), *range(first, first + per_cell - 2)]

    return dense_graphs(operation, position, adjacency)


def _operations_of(design: CellDesign) -> int:
    return sum(design.slots(node) for node in range(design.nodes))


def _labels(design: CellDesign) -> NDArray[np.int64]:
    """Return the label of each code: from 1 on the operations without `none`, which has -1."""
    labels = np.full(len(design.operations), -1, dtype=np.int64)
    for label, name in enumerate(design.informative, 1):
        labels[design.operations.index(name)] = label
    return labels


def _cell_arrays(
    codes: NDArray[Any], cell: int, design: CellDesign
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return labels [n, nodes of a cell] and adjacency [n, nodes, nodes] of one cell."""
    count = len(codes)
    rows = np.arange(count)
    output = 2 + _operations_of(design)
    label_of = _labels(design)

    operation = np.zeros((count, output + 1), dtype=np.int64)
    operation[:, output] = len(design.informative) + 1
    adjacency = np.zeros((count, output + 1, output + 1), dtype=bool)
    # Whether the inputs and the nodes hold information.
    filled = np.ones((count, 2 + design.nodes), dtype=bool)
    # The vertices whose sum is a value: an input itself, or the operations of a node.
    ends: list[list[int]] = [[0], [1]]

    for node in range(design.nodes):
        selected, *operation_columns = design.columns(cell, node)
        first = ends[-1][-1] + 1
        ends.append(list(range(first, first + len(operation_columns))))

        for slot, column in enumerate(operation_columns):
            vertex = first + slot
            source = np.array(design.sources[node])[codes[:, selected], slot]
            label = label_of[codes[:, column]]
            operation[:, vertex] = np.where(filled[rows, source], label, -1)
            # A node is the sum of its operations, so that its readers read each of them.
            for earlier in range(2 + node):
                adjacency[:, ends[earlier], vertex] = (source == earlier)[:, None]
            # The output concatenates all nodes.
            adjacency[:, vertex, output] = True

        filled[:, 2 + node] = (operation[:, ends[-1]] >= 0).any(1)

    return operation, adjacency
