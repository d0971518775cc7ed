"""Graphs of many architectures as padded arrays, which batched matrix products take."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.utils import to_dense_adj, to_dense_batch


class DenseGraphs(NamedTuple):
    """n graphs, padded to the nodes of the largest; all fields can be indexed by graph alike.

    Graphs of cells have a handful of nodes: a product with a small dense adjacency matrix is
    several times faster there than gathering and scattering along edges, and an ensemble's members
    are scored by one product.

    Args:
        operation: labels, int64 [n, nodes]; 0 for an input and for padding (see `spaces.graph`).
        position: int64 [n, nodes]; 0 for padding.
        there: bool [n, nodes]; false for padding.
        incoming: float [n, nodes, nodes], 1 where an edge leads from the third index to the second.
        features: further features of the nodes, float [n, nodes, features].
    """

    operation: Tensor
    position: Tensor
    there: Tensor
    incoming: Tensor
    features: Tensor

    @classmethod
    def of(cls, graphs: Batch) -> DenseGraphs:
        """The graphs of a batch with the node fields `operation`, `position` and, where there are
        any, `features`.
        """
        count = graphs.num_graphs
        operation, there = to_dense_batch(graphs.operation, graphs.batch, batch_size=count)
        position, _ = to_dense_batch(graphs.position, graphs.batch, batch_size=count)
        nodes = operation.shape[1]
        adjacency = to_dense_adj(
            graphs.edge_index, graphs.batch, max_num_nodes=nodes, batch_size=count
        )
        features = torch.zeros(count, nodes, 0)
        return cls(operation, position, there, adjacency.transpose(1, 2).contiguous(), features)

    def with_features(self, features: Tensor) -> DenseGraphs:
        """The graphs with `features`, float [n, positions, features], at the nodes of these
        positions; elsewhere 0.
        """
        padded = nn.functional.pad(features, (0, 0, 1, 0))
        place = self.position.unsqueeze(-1).expand(-1, -1, features.shape[-1])
        return self._replace(features=padded.gather(1, place))

    @property
    def operating(self) -> Tensor:
        """Whether a node is an operation, neither input nor padding: bool [n, nodes]."""
        return self.operation > 0

    @property
    def ends(self) -> Tensor:
        """Whether a node is an operation that leads nowhere: bool [n, nodes]."""
        return self.operating & (self.incoming.sum(-2) == 0)


def mean_over(states: Tensor, weights: Tensor) -> Tensor:
    """The mean [n, channels] of states [n, nodes, channels] by weights, bool or float [n, nodes]; 0
    where these are.
    """
    weights = weights.unsqueeze(-1).to(states.dtype)
    found: Tensor = (states * weights).sum(-2) / weights.sum(-2).clamp_min(1e-12)
    return found
