"""GATES, operation on node: operations gate the information that flows through the graph."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import MessagePassing, global_mean_pool

from predictor.encoders.graph_encoder import GraphEncoder

_WIDE = 2.0


class GatesConv(MessagePassing):
    r"""The graph layer of GATES for operations on nodes (Ning et al., ECCV 2020, arXiv 2004.01899, equation 1).

    .. math::
        H' = \sigma(E_{op} W_o) \odot (A H W) + H W + b

    with the rows of :math:`A` the incoming edges: each node takes what flows into it through the gate of its own
    operation, and keeps its own state.

    Args:
        in_channels: of the states.
        out_channels: of the new states.
        operation_channels: of the operations' embeddings.

    Shapes:
        states [nodes, in_channels], operations [nodes, operation_channels], edge_index [2, edges] -> [nodes,
        out_channels].
    """

    def __init__(self, in_channels: int, out_channels: int, operation_channels: int):
        super().__init__(aggr="add", flow="source_to_target")
        self.in_channels, self.out_channels, self.operation_channels = in_channels, out_channels, operation_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.gate = nn.Linear(operation_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, operations: Tensor, edge_index: Tensor) -> Tensor:
        x = self.lin(x)
        gate = torch.sigmoid(self.gate(operations))
        incoming: Tensor = self.propagate(edge_index, x=x)
        return gate * incoming + x + self.bias

    def message(self, x_j: Tensor) -> Tensor:
        """What flows along an edge: the source's transformed state."""
        return x_j

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, operation={self.operation_channels})"


class GatesEncoder(GraphEncoder):
    """Scores graphs by layers of GatesConv, a mean over their nodes, and a small head.

    The input node has a learned state, the others share one. What the paper leaves open for chains is where an
    operation stands: the same one is worth more or less depending on its depth, which a plain mean over nodes would
    forget. So an operation's embedding is that of the operation plus that of its position, and the read-out is the
    mean over the nodes without the input, each state weighted by a learned vector of its position. The embeddings
    begin wide, at a deviation of 2: gates near one half let all operations through alike.

    Args:
        operations: how many distinct operations (node labels 1 to operations; 0 is the input).
        positions: how many positions (labels 1 to positions; 0 is the input); 0: positions are not told, as in the
            paper's cells.
        operation_channels: of the operations' embeddings.
        hidden: channels of the states.
        layers: how many GatesConv.
        head: hidden channels of the head.
        dropout: in the head.
    """

    name: ClassVar[str] = "gates"

    def __init__(
        self,
        operations: int,
        positions: int,
        operation_channels: int = 48,
        hidden: int = 96,
        layers: int = 5,
        head: int = 200,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.tells_positions = positions > 0
        self.operation = nn.Embedding(operations + 1, operation_channels)
        self.position = nn.Embedding(positions + 1, operation_channels)
        for embedding in (self.operation, self.position):
            nn.init.normal_(embedding.weight, std=_WIDE)
        self.state = nn.Embedding(2, hidden)
        self.read_out = nn.Embedding(positions + 1, hidden)
        self.convs = nn.ModuleList(GatesConv(hidden, hidden, operation_channels) for _ in range(layers))
        self.head = nn.Sequential(
            nn.Linear(hidden, head), nn.ReLU(), nn.Dropout(dropout), nn.Linear(head, 1, bias=False)
        )

    def forward(self, inputs: Batch) -> Tensor:
        """Scores [graphs] of a batch with the node fields `operation` and `position` (see `spaces.graph`)."""
        position = self._seen(inputs.position)
        operations = self.operation(inputs.operation) + self.position(position)
        x = self.state((inputs.operation > 0).long())
        for index, conv in enumerate(self.convs):
            x = conv(x if index == 0 else torch.relu(x), operations, inputs.edge_index)
        x = x * self.read_out(position)
        kept = inputs.operation > 0
        pooled = global_mean_pool(x[kept], inputs.batch[kept], size=inputs.num_graphs)
        scores: Tensor = self.head(pooled).squeeze(1)
        return scores

    def soft(self, mixtures: Tensor, presence: Tensor, adjacency: Tensor) -> Tensor:
        """Scores [n] of graphs whose nodes are mixtures of operations and are there in part.

        Where every mixture is one operation and every presence 0 or 1, these are the scores of `forward`.

        Args:
            mixtures: float tensor [n, nodes, operations + 1], a distribution a node; node 0 is the input.
            presence: float tensor [n, nodes], from 0 to 1; position i of a node is its place i.
            adjacency: float tensor [nodes, nodes], 1 where an edge leads from the first index to the second.
        """
        position = self._seen(torch.arange(mixtures.shape[1]))
        operations = mixtures @ self.operation.weight + self.position(position)
        x = self.state((torch.arange(mixtures.shape[1]) > 0).long()).expand(len(mixtures), -1, -1)
        for index, conv in enumerate(self.convs):
            assert isinstance(conv, GatesConv)
            x = conv.lin(x if index == 0 else torch.relu(x))
            incoming = adjacency.T @ (presence.unsqueeze(2) * x)
            x = torch.sigmoid(conv.gate(operations)) * incoming + x + conv.bias
        weights = presence[:, 1:, None]
        pooled = ((x * self.read_out(position))[:, 1:] * weights).sum(1) / weights.sum(1).clamp_min(1e-12)
        scores: Tensor = self.head(pooled).squeeze(1)
        return scores

    def _seen(self, position: Tensor) -> Tensor:
        return position if self.tells_positions else torch.zeros_like(position)
