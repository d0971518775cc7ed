"""A transformer over directed acyclic graphs."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from predictor.encoders.base import GraphEncoder
from predictor.encoders.dense_graphs import DenseGraphs, mean_over
from predictor.encoders.information_flow import flattened
from predictor.encoders.labels import NodeLabels, scoring_head
from predictor.encoders.reachability import depths, reachable
from spaces.errors import InvalidParameter
from spaces.space import Codes, SearchSpace


class TransformerLayer(nn.Module):
    """Masked self-attention, then two linear layers, each with a residual and a normalisation.

    Args:
        channels: Channels of the states.
        heads: Number of attention heads.
        hidden: Channels between the two linear layers.
        dropout: Dropout probability in the linear layers and of both outputs.

    Shapes:
        states [n, nodes, channels], mask bool [n, nodes, nodes] -> [n, nodes, channels].
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.channels = channels
        self.heads = heads
        self.projections = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.feed_forward = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, channels)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norms[0](x + self.dropout(flattened(self.out, self._attended(x, mask))))
        outputs: Tensor = self.norms[1](x + self.dropout(flattened(self.feed_forward, x)))
        return outputs

    def _attended(self, x: Tensor, mask: Tensor) -> Tensor:
        # [n, nodes, 3 channels] -> 3 of [n, heads, nodes, channels / heads].
        shape = (*x.shape[:2], 3, self.heads, self.channels // self.heads)
        query, key, value = flattened(self.projections, x).reshape(shape).permute(2, 0, 3, 1, 4)
        weights = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        attended: Tensor = weights.masked_fill(~mask.unsqueeze(1), -torch.inf).softmax(-1) @ value
        return attended.transpose(1, 2).flatten(2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, heads={self.heads})"


class TransformerEncoder(GraphEncoder):
    """A transformer whose nodes attend to their ancestors and descendants.

    DAGformer (Luo et al., NeurIPS 2023, arXiv 2210.13148): attention is restricted to nodes that a
    directed path of any length connects, and sines and cosines encode a node's depth, the longest
    path that ends in it. Where positions are informative (`informative_positions`) their embedding
    is added to the operation's, since several choices can have one depth. The score is computed
    from the mean over the nodes without the input.

    Args:
        operations: Number of distinct operations (node labels 1 to operations; 0 is the input).
        positions: Number of positions (labels 1 to positions; 0 is the input). 0: positions are not
            used.
        channels: Channels of the states, a multiple of 2 heads.
        heads: Number of attention heads.
        layers: Number of layers.
        hidden: Channels between the two linear layers of each layer.
        head: Channels of the head's hidden layer.
        dropout: Dropout probability in layers and head.
        values: Numbers of the labels, float [operations + 1, scales]; None: they have none.

    Raises:
        InvalidParameter: `channels` is not a multiple of 2 `heads`.

    Shapes:
        n graphs with their paths -> [n].
    """

    name: ClassVar[str] = "transformer"
    # Version 1 has no values.
    version: ClassVar[int] = 2
    embeds_values: ClassVar[bool] = True

    def __init__(
        self,
        operations: int,
        positions: int,
        channels: int = 96,
        heads: int = 4,
        layers: int = 3,
        hidden: int = 192,
        head: int = 200,
        dropout: float = 0.1,
        values: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        if channels % (2 * heads):
            raise InvalidParameter(
                f"channels: a multiple of {2 * heads} for {heads} heads, not {channels}"
            )

        self.labels = NodeLabels(operations, positions, channels, values=values)
        self.layers = nn.ModuleList(
            TransformerLayer(channels, heads, hidden, dropout) for _ in range(layers)
        )
        self.head = scoring_head(channels, (head,), dropout)

    @classmethod
    def earlier_config(cls, version: int, space: SearchSpace) -> dict[str, Any]:
        """Return the arguments of an earlier version; see `Encoder.earlier_config`."""
        return {"values": None} if version < 2 else {}

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> tuple[DenseGraphs, Tensor, Tensor]:
        """Return the graphs of architectures with their paths; see `with_paths`."""
        return with_paths(DenseGraphs.from_batch(space.graphs(codes)))

    def forward(self, inputs: tuple[DenseGraphs, Tensor, Tensor]) -> Tensor:
        """Return the scores [n] of n graphs with their paths."""
        scores: Tensor = self.head(self.features(inputs)).squeeze(-1)
        return scores

    def features(self, inputs: tuple[DenseGraphs, Tensor, Tensor]) -> Tensor:
        """Return the mean states [n, channels] of the nodes without the input."""
        graphs, mask, depth = inputs
        # Padding has the label of the input and must be 0.
        embedded = self.labels(graphs.operation, graphs.position) * graphs.exists.unsqueeze(-1)
        x = embedded + sinusoids(depth, embedded.shape[-1])
        for layer in self.layers:
            x = layer(x, mask)
        return mean_over(x, graphs.is_operation)


def with_paths(graphs: DenseGraphs) -> tuple[DenseGraphs, Tensor, Tensor]:
    """Compute the paths of graphs.

    Returns:
        The graphs, whether a path connects two nodes in either direction, bool [n, nodes, nodes],
        and the nodes' depths, int64 [n, nodes].
    """
    adjacency = graphs.incoming.transpose(1, 2) > 0
    reaches = reachable(adjacency)
    return graphs, reaches | reaches.transpose(1, 2), depths(adjacency)


def sinusoids(depth: Tensor, channels: int) -> Tensor:
    """Encode depths [...] by sines and cosines of an even number of channels: [..., channels].

    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.
    """
    steps = torch.arange(0, channels, 2, device=depth.device)
    angles = depth.unsqueeze(-1) * torch.exp(steps * (-math.log(10000.0) / channels))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
