"""GCN with a global node, the encoder of BRP-NAS."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from predictor.encoders.base import GraphEncoder
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.information_flow import flattened
from predictor.encoders.labels import NodeLabels, scoring_head
from spaces.space import SearchSpace


class GcnEncoder(GraphEncoder):
    """Graph convolutions read out from a global node (BRP-NAS, Dudziak et al., NeurIPS 2020).

    The encoder of the paper (arXiv 2007.08668) and its release: a node sums itself and the nodes
    that it leads to, without normalisation by degrees; each convolution is followed by layer
    normalisation, ReLU and dropout; the score is a linear function of the global node, which has an
    edge from every node. The paper represents a node by the one-hot code of its operation; here it
    is the embedding of the operation plus that of the position, where positions are informative.

    Args:
        operations: Number of distinct operations (node labels 1 to operations; 0 is the input).
        positions: Number of positions (labels 1 to positions; 0 is the input). 0: positions are not
            used.
        channels: Channels of the nodes' embeddings.
        hidden: Channels of the states (paper: 600).
        layers: Number of convolutions (paper: 4).
        dropout: Dropout probability after each convolution (paper: 0.2).
        values: Numbers of the labels, float [operations + 1, scales]; None: they have none.

    Shapes:
        n graphs -> [n].
    """

    name: ClassVar[str] = "gcn"
    # Version 1 has no values.
    version: ClassVar[int] = 2
    embeds_values: ClassVar[bool] = True

    def __init__(
        self,
        operations: int,
        positions: int,
        channels: int = 48,
        hidden: int = 144,
        layers: int = 4,
        dropout: float = 0.2,
        values: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        self.labels = NodeLabels(operations, positions, channels, values=values)

        # Label of the global node, which sums all nodes and is read out.
        self.everything = nn.Parameter(torch.randn(channels))
        widths = [channels, *[hidden] * layers]
        self.convs = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.head = scoring_head(hidden, (), dropout)

    @classmethod
    def earlier_config(cls, version: int, space: SearchSpace) -> dict[str, Any]:
        """Return the arguments of an earlier version; see `Encoder.earlier_config`."""
        return {"values": None} if version < 2 else {}

    def forward(self, inputs: DenseGraphs) -> Tensor:
        """Return the scores [n] of n graphs."""
        scores: Tensor = self.head(self.features(inputs)).squeeze(-1)
        return scores

    def features(self, inputs: DenseGraphs) -> Tensor:
        """Return the global nodes' states [n, hidden]."""
        labels = self.labels(inputs.operation, inputs.position)

        # The global node is the last one.
        x = torch.cat([labels, self.everything.expand(len(labels), 1, -1)], dim=1)

        # Row i has 1 for each node that node i sums; the last row sums all that exist.
        outgoing = inputs.incoming.transpose(1, 2) + torch.eye(labels.shape[1])
        exists = inputs.exists.unsqueeze(1).float()
        summed = torch.cat(
            [nn.functional.pad(outgoing, (0, 1)), nn.functional.pad(exists, (0, 1), value=1.0)],
            dim=1,
        )
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.dropout(torch.relu(norm(flattened(conv, summed @ x))))
        return x[:, -1]
