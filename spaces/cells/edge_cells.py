"""Cells with operations on their edges: information flow, and graphs with one node per edge.

An edge is a pair (source, target) of nodes with source < target; node 0 is the input, the highest
node the output. Edges are ordered by target, so that those into a node come before those out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch_geometric.data import Batch

Edges: TypeAlias = Sequence[tuple[int, int]]


def live_edges(carries: NDArray[np.bool_], edges: Edges) -> NDArray[np.bool_]:
    """Find the edges on a path of information from input to output.

    Args:
        carries: Whether each edge has an operation other than zero, bool array [n, edges].
        edges: Edges in the order of the columns.

    Returns:
        Bool array [n, edges].
    """
    output = edges[-1][1]
    reached = np.zeros((len(carries), output + 1), dtype=bool)
    reached[:, 0] = True
    reaching = np.zeros_like(reached)
    reaching[:, output] = True

    # Ordered by target, so that a node's inputs are decided before it is read.
    for column, (source, target) in enumerate(edges):
        reached[:, target] |= reached[:, source] & carries[:, column]

    # And backwards from the output.
    for column, (source, target) in reversed(list(enumerate(edges))):
        reaching[:, source] |= reaching[:, target] & carries[:, column]

    live = [
        carries[:, column] & reached[:, source] & reaching[:, target]
        for column, (source, target) in enumerate(edges)
    ]

    return np.stack(live, axis=1)


def edge_adjacency(edges: Edges) -> NDArray[np.bool_]:
    """Connect the edges of a cell as nodes of a graph, between an input and an output node.

    Returns:
        Bool array [edges + 2, edges + 2], true where the first node leads to the second.
    """
    output = edges[-1][1]
    last = len(edges) + 1
    adjacency = np.zeros((last + 1, last + 1), dtype=bool)

    for index, (source, target) in enumerate(edges, 1):
        adjacency[0, index] = source == 0
        adjacency[index, last] = target == output
        # An edge leads to all edges out of its target.
        adjacency[index, 1:last] = [next_source == target for next_source, _ in edges]

    return adjacency


def edge_cell_graphs(
    codes: NDArray[Any], live: NDArray[np.bool_], edges: Edges, output_label: int
) -> Batch:
    """Build the graphs of cells, without the edges that contribute nothing to the output.

    Args:
        codes: Operation of each edge, int array [n, edges]; it is the label of the edge's node, so
            that code 0 must be the zero operation.
        live: Edges to keep, bool array [n, edges].
        edges: Edges in the order of the columns.
        output_label: Label of the output node.
    """
    from spaces.graphs.graph import dense_graphs

    last = len(edges) + 1
    operation = np.zeros((len(codes), last + 1), dtype=np.int64)
    operation[:, 1:last] = np.where(live, codes, -1)
    operation[:, last] = output_label

    adjacency = edge_adjacency(edges)
    adjacency = np.broadcast_to(adjacency, (len(codes), *adjacency.shape))

    return dense_graphs(operation, np.arange(last + 1), adjacency)
