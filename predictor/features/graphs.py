"""Graphs of architectures as padded arrays, every edge leading from a lower node to a higher
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes, SearchSpace


@dataclass(frozen=True)
class DenseGraphs:
    """Many graphs, padded to the nodes of the largest.

    Args:
        operation: int array [n, nodes], 0 the input, an index of `space.operations` + 1, or -1: no
            such node.
        adjacency: bool array [n, nodes, nodes], true where an edge leads from the second index to
            the third.
    """

    operation: NDArray[np.int64]
    adjacency: NDArray[np.bool_]

    @classmethod
    def of(cls, space: SearchSpace, codes: Codes) -> DenseGraphs:
        """The graphs of `codes`, checked, int array [n, choices]; see `spaces.graph`."""
        batch = space.graphs(codes)
        starts, graph = batch.ptr.numpy(), batch.batch.numpy()
        nodes = int(np.diff(starts).max(initial=0))
        place = np.arange(len(graph)) - starts[graph]
        operation = np.full((len(codes), nodes), -1, dtype=np.int64)
        operation[graph, place] = batch.operation.numpy()
        adjacency = np.zeros((len(codes), nodes, nodes), dtype=bool)
        source, target = batch.edge_index.numpy()
        adjacency[graph[source], place[source], place[target]] = True
        if adjacency[:, *np.tril_indices(nodes)].any():
            operation, adjacency = _in_order(operation, adjacency)
        return cls(operation, adjacency)


def _in_order(
    operation: NDArray[Any], adjacency: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Nodes by their greatest distance from a node that nothing leads to; what would lead back is
    dropped.
    """
    nodes = operation.shape[1]
    depth = np.zeros(operation.shape, dtype=np.int64)
    for _ in range(nodes):
        depth = np.maximum(depth, np.where(adjacency, depth[:, :, None] + 1, 0).max(1))
    order = np.argsort(depth, axis=1, kind="stable")
    rows = np.take_along_axis(adjacency, order[:, :, None], 1)
    moved = np.take_along_axis(rows, order[:, None, :], 2)
    return np.take_along_axis(operation, order, 1), np.triu(moved, 1)
