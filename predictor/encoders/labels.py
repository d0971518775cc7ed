"""Embeddings of the labels that nodes of graphs have."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from predictor.encoders.dense_graphs import mean_over


class ReadOut(nn.Module):
    """The mean over nodes of a graph, each state weighted by a learned vector of its position.

    Args:
        positions: how many positions (labels 1 to positions; 0 is the input); 0: all states weigh
            alike.
        channels: of the states.

    Shapes:
        states [n, nodes, channels] of n graphs -> [n, channels].
    """

    def __init__(self, positions: int, channels: int):
        super().__init__()
        self.weight = nn.Embedding(positions + 1, channels) if positions else None

    def forward(self, x: Tensor, position: Tensor, weights: Tensor) -> Tensor:
        """With the nodes' positions [n, nodes] and their weights in the mean, bool or float [n,
        nodes].
        """
        return mean_over(x if self.weight is None else x * self.weight(position), weights)


def scoring_head(channels: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers to one score, each hidden one with ReLU and dropout behind it.

    Args:
        channels: of the features.
        hidden: channels of the hidden layers; none: the head is linear.
        dropout: behind each of them.

    Shapes:
        features [n, channels] -> [n, 1].
    """
    widths = [channels, *hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 1))


class NodeLabels(nn.Module):
    """A node's embedding: that of its operation plus that of its position.

    Args:
        operations: how many distinct operations (node labels 1 to operations; 0 is the input).
        positions: how many positions (labels 1 to positions; 0 is the input); 0: positions are not
            told.
        channels: of the embedding.
        deviation: of the weights at the start.

    Shapes:
        operation [...], position [...] -> [..., channels].
    """

    def __init__(self, operations: int, positions: int, channels: int, deviation: float = 1.0):
        super().__init__()
        self.operation = nn.Embedding(operations + 1, channels)
        self.position = nn.Embedding(positions + 1, channels) if positions else None
        for embedding in (self.operation, self.position):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=deviation)

    def forward(self, operation: Tensor, position: Tensor) -> Tensor:
        """Embeddings of nodes with the labels `operation` and `position` (see `spaces.graph`)."""
        embedded: Tensor = self.operation(operation)
        return embedded if self.position is None else embedded + self.position(position)

    def every(self) -> Tensor:
        """The embeddings [kinds, channels] of all kinds of nodes, that is pairs of an operation and
        a position.
        """
        if self.position is None:
            return self.operation.weight
        return (self.operation.weight.unsqueeze(1) + self.position.weight).flatten(0, 1)

    def kinds(self, operation: Tensor, position: Tensor) -> Tensor:
        """Which of `every` nodes have, int64 [...]."""
        return (
            operation
            if self.position is None
            else operation * self.position.num_embeddings + position
        )
