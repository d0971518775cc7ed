"""Features of graphs from the states of their nodes."""

from __future__ import annotations

from torch import Tensor, nn

from predictor.encoders.dense_graphs import mean_over


class ReadOut(nn.Module):
    """The mean over nodes of a graph, each state weighted by a learned vector of its position.

    Args:
        positions: how many positions (labels 1 to positions; 0 is the input); 0: all states weigh alike.
        channels: of the states.

    Shapes:
        states [n, nodes, channels] of n graphs -> [n, channels].
    """

    def __init__(self, positions: int, channels: int):
        super().__init__()
        self.weight = nn.Embedding(positions + 1, channels) if positions else None

    def forward(self, x: Tensor, position: Tensor, weights: Tensor) -> Tensor:
        """With the nodes' positions [n, nodes] and their weights in the mean, bool or float [n, nodes]."""
        return mean_over(x if self.weight is None else x * self.weight(position), weights)
