"""GCN with a global node, the encoder of BRP-NAS."""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import GCNConv

from predictor.encoders.graph_encoder import GraphEncoder
from predictor.encoders.head import scoring_head
from predictor.encoders.labels import NodeLabels


class GcnEncoder(GraphEncoder):
    """Graph convolutions whose read-out is a further node that every node leads to (Dudziak et al., NeurIPS 2020).

    BRP-NAS, arXiv 2007.08668, with its release: a node sums itself and the nodes that it leads to, without
    normalisation by degrees; each convolution is followed by layer normalisation, ReLU and dropout; the score is a
    linear function of the global node. There a node is the one-hot code of its operation, here the embedding of its
    operation and, where that tells something (`telling_positions`), its position.

    Args:
        operations: how many distinct operations (node labels 1 to operations; 0 is the input).
        positions: how many positions (labels 1 to positions; 0 is the input); 0: positions are not told.
        channels: of the nodes' embeddings.
        hidden: channels of the states (paper: 600).
        layers: how many convolutions (paper: 4).
        dropout: behind each (paper: 0.2).

    Shapes:
        a batch of n graphs -> [n].
    """

    name: ClassVar[str] = "gcn"

    def __init__(
        self,
        operations: int,
        positions: int,
        channels: int = 48,
        hidden: int = 144,
        layers: int = 4,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.labels = NodeLabels(operations, positions, channels)
        self.everything = nn.Parameter(torch.randn(channels))
        widths = [channels, *[hidden] * layers]
        self.convs = nn.ModuleList(
            GCNConv(before, after, add_self_loops=False, normalize=False)
            for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.head = scoring_head(hidden, (), dropout)

    def forward(self, inputs: Batch) -> Tensor:
        """Scores [n] of a batch with the node fields `operation` and `position` (see `spaces.graph`)."""
        scores: Tensor = self.head(self.features(inputs)).squeeze(1)
        return scores

    def features(self, inputs: Batch) -> Tensor:
        """The global nodes' states [n, hidden]."""
        nodes, count = len(inputs.operation), inputs.num_graphs
        x = torch.cat([self.labels(inputs.operation, inputs.position), self.everything.expand(count, -1)])
        every = torch.arange(nodes + count, device=x.device)
        to_global = torch.stack([every[:nodes], nodes + inputs.batch])
        edges = torch.cat([inputs.edge_index.flip(0), every.expand(2, -1), to_global], dim=1)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.dropout(torch.relu(norm(conv(x, edges))))
        return x[nodes:]
