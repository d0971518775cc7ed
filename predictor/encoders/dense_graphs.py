"""Graphs of many architectures as padded tensors, for batched matrix products."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from predictor.encoders.reachability import depths


class DenseGraphs(NamedTuple):
    """n graphs, padded to the nodes of the largest; every field is indexed by graph first.

    Graphs of cells have a handful of nodes: a product with a small dense adjacency matrix is
    several times faster there than gathering and scattering along edges, and one product scores
    all members of an ensemble.

    Args:
        operation: Labels of the nodes, int64 [n, nodes]; 0 for an input and for padding, else the
            index of `space.operations` plus 1 (see `spaces.graphs.graph`).
        position: Positions of the nodes, int64 [n, nodes]; 0 for padding.
        exists: Whether a node exists, bool [n, nodes]; false for padding.
        incoming: Transposed adjacency matrices, float [n, nodes, nodes]: 1 where an edge leads from
            the node of the third index to that of the second.
        features: Further features of the nodes, float [n, nodes, features].
    """

    operation: Tensor
    position: Tensor
    exists: Tensor
    incoming: Tensor
    features: Tensor

    @classmethod
    def from_batch(cls, graphs: Batch) -> DenseGraphs:
        """Pad the graphs of a batch with the node fields `operation` and `position`."""
        # Index by graph and by the node's number in it: much faster than `to_dense_adj`.
        graph = graphs.batch
        node = torch.arange(len(graph)) - graphs.ptr[graph]
        shape = (graphs.num_graphs, int(graphs.ptr.diff().max()))
        operation = torch.zeros(shape, dtype=torch.int64)
        operation[graph, node] = graphs.operation
        position = torch.zeros(shape, dtype=torch.int64)
        position[graph, node] = graphs.position
        exists = torch.zeros(shape, dtype=torch.bool)
        exists[graph, node] = True

        source, target = graphs.edge_index
        incoming = torch.zeros(*shape, shape[1])
        incoming[graph[source], node[target], node[source]] = 1

        return cls(operation, position, exists, incoming, torch.zeros(*shape, 0))

    def with_features(self, features: Tensor) -> DenseGraphs:
        """Return the graphs with features at the nodes of their positions, 0 at other nodes.

        Args:
            features: Features of the positions from 1 on, float [n, positions, features].
        """
        # Position 0, the input's, has no features.
        padded = nn.functional.pad(features, (0, 0, 1, 0))
        index = self.position.unsqueeze(-1).expand(-1, -1, features.shape[-1])
        return self._replace(features=padded.gather(1, index))

    def members(self, num_labels: int) -> Tensor:
        """Return which label each node has, float [n, nodes, labels]; padding has none.

        Args:
            num_labels: Number of labels: the operations of the space, and the input.
        """
        labels = nn.functional.one_hot(self.operation, num_labels)
        return (labels * self.exists.unsqueeze(-1)).float()

    def in_topological_order(self) -> DenseGraphs:
        """Return the graphs with every edge leading from a lower node to a higher one.

        Nodes are ordered by their greatest distance from a node without predecessors. An edge of a
        cycle, which would lead back, is dropped.
        """
        # An edge that leads back stands on the diagonal of `incoming` or above it.
        if not self.incoming.triu().any():
            return self

        depth = depths(self.incoming.transpose(1, 2) > 0)
        order = depth.argsort(dim=1, stable=True)
        columns = order.unsqueeze(-1)
        nodes = order.shape[1]

        # Permute rows, then columns. What still leads back belongs to a cycle.
        rows = self.incoming.gather(1, columns.expand(-1, -1, nodes))
        incoming = rows.gather(2, order.unsqueeze(1).expand(-1, nodes, -1)).tril(-1)

        return DenseGraphs(
            self.operation.gather(1, order),
            self.position.gather(1, order),
            self.exists.gather(1, order),
            incoming,
            self.features.gather(1, columns.expand_as(self.features)),
        )

    @property
    def is_operation(self) -> Tensor:
        """Whether a node is an operation, neither input nor padding: bool [n, nodes]."""
        return self.operation > 0

    @property
    def is_input(self) -> Tensor:
        """Whether a node is an input: bool [n, nodes]."""
        return self.exists & (self.operation == 0)

    @property
    def is_end(self) -> Tensor:
        """Whether a node is an operation without successors: bool [n, nodes]."""
        return self.is_operation & (self.incoming.sum(-2) == 0)


def mean_over(states: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of the nodes' states.

    Args:
        states: States of the nodes, [n, nodes, channels].
        weights: Weights of the nodes, bool or float [n, nodes].

    Returns:
        [n, channels]; 0 where all weights are 0.
    """
    weights = weights.unsqueeze(-1).to(states.dtype)
    mean: Tensor = (states * weights).sum(-2) / weights.sum(-2).clamp_min(1e-12)
    return mean
