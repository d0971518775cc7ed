"""Embeddings of node labels, the read-out of node states and the head of a score."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from predictor.encoders.dense_graphs import mean_over


class ReadOut(nn.Module):
    """The mean over nodes of a graph, each state weighted by a learned vector of its position.

    Args:
        positions: Number of positions (labels 1 to positions; 0 is the input). 0: all states have
            the same weight.
        channels: Channels of the states.

    Shapes:
        states [n, nodes, channels] of n graphs -> [n, channels].
    """

    def __init__(self, positions: int, channels: int):
        super().__init__()
        self.weight = nn.Embedding(positions + 1, channels) if positions else None

    def forward(self, x: Tensor, position: Tensor, weights: Tensor) -> Tensor:
        """Return the means of states.

        Args:
            x: States of the nodes, [n, nodes, channels].
            position: Positions of the nodes, [n, nodes].
            weights: Weights of the nodes in the mean, bool or float [n, nodes].
        """
        return mean_over(x if self.weight is None else x * self.weight(position), weights)


def scoring_head(
    channels: int, hidden: Sequence[int], dropout: float, outputs: int = 1
) -> nn.Sequential:
    """Make linear layers from features to scores, with ReLU and dropout between them.

    Args:
        channels: Channels of the features.
        hidden: Channels of the hidden layers. Empty: the head is one linear layer.
        dropout: Dropout probability after each hidden layer.
        outputs: Number of scores.

    Shapes:
        features [n, channels] -> [n, outputs].
    """
    widths = [channels, *hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


class LabelEmbedding(nn.Embedding):
    """Embed labels, and the numbers of those that are values.

    A label with the numbers v has the vector e + sum over s of v_s w_s, where e is learned for the
    label and w_s for the scale s. Labels on one scale thereby share what their order means.

    Args:
        count: Number of labels.
        channels: Channels of the embedding.
        values: Numbers of the labels, float [count, scales]; None: no label has one.
        deviation: Standard deviation of the initial w_s.

    Shapes:
        labels, int64 [...] -> [..., channels].
    """

    def __init__(
        self,
        count: int,
        channels: int,
        values: NDArray[np.float32] | None = None,
        deviation: float = 1.0,
    ):
        super().__init__(count, channels)
        self.values: Tensor | None
        numbers = None if values is None else torch.from_numpy(values)
        # Not persistent: the numbers follow from the space.
        self.register_buffer("values", numbers, persistent=False)
        # Without values no random number is drawn, so that such encoders keep their weights.
        if numbers is not None:
            self.slopes = nn.Parameter(torch.randn(numbers.shape[1], channels) * deviation)

    def table(self) -> Tensor:
        """Return the embeddings of all labels, [count, channels]."""
        if self.values is None:
            return self.weight
        return self.weight + self.values @ self.slopes

    def forward(self, labels: Tensor) -> Tensor:
        return nn.functional.embedding(labels, self.table())


class NodeLabels(nn.Module):
    """Embed a node as the sum of the embeddings of its operation and its position.

    Args:
        operations: Number of distinct operations (node labels 1 to operations; 0 is the input).
        positions: Number of positions (labels 1 to positions; 0 is the input). 0: positions are not
            used.
        channels: Channels of the embedding.
        deviation: Standard deviation of the initial weights.
        values: Numbers of the labels, float [operations + 1, scales]; see `LabelEmbedding`.

    Shapes:
        operation [...], position [...] -> [..., channels].
    """

    def __init__(
        self,
        operations: int,
        positions: int,
        channels: int,
        deviation: float = 1.0,
        values: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        self.operation = LabelEmbedding(operations + 1, channels, values, deviation)
        self.position = nn.Embedding(positions + 1, channels) if positions else None
        for embedding in (self.operation, self.position):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=deviation)

    def forward(self, operation: Tensor, position: Tensor) -> Tensor:
        """Embed nodes with the labels `operation` and `position` (see `spaces.graphs.graph`)."""
        embedded: Tensor = self.operation(operation)
        return embedded if self.position is None else embedded + self.position(position)

    def all_kinds(self) -> Tensor:
        """Return the embeddings [kinds, channels] of all pairs of an operation and a position."""
        if self.position is None:
            return self.operation.table()
        # Operation is the slower index; `kinds` depends on it.
        return (self.operation.table().unsqueeze(1) + self.position.weight).flatten(0, 1)

    def kinds(self, operation: Tensor, position: Tensor) -> Tensor:
        """Return the rows of `all_kinds` that nodes have, int64 [...]."""
        if self.position is None:
            return operation
        return operation * self.position.num_embeddings + position
