"""Features of graphs from the states of their nodes."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import global_mean_pool


class ReadOut(nn.Module):
    """The mean over a graph's nodes without the input, each state weighted by a learned vector of its position.

    Args:
        positions: how many positions (labels 1 to positions; 0 is the input); 0: all states weigh alike.
        channels: of the states.

    Shapes:
        states [nodes, channels] of a batch of n graphs -> [n, channels].
    """

    def __init__(self, positions: int, channels: int):
        super().__init__()
        self.weight = nn.Embedding(positions + 1, channels) if positions else None

    def forward(self, x: Tensor, graphs: Batch) -> Tensor:
        kept = graphs.operation > 0
        states = x[kept]
        if self.weight is not None:
            states = states * self.weight(graphs.position[kept])
        pooled: Tensor = global_mean_pool(states, graphs.batch[kept], size=graphs.num_graphs)
        return pooled
