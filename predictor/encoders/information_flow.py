"""Passes of information through gates of the operations, in either direction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing


class GatedFlow(MessagePassing):
    r"""The layer of GATES for operations on nodes, some of which pass everything.

    .. math::
        H' = G \odot (A H W) + H W + b, \quad G = \sigma(E_{op} W_o) \text{ or } 1

    Args:
        in_channels: of the states.
        out_channels: of the new states.
        operation_channels: of the operations' embeddings.

    Shapes:
        states [nodes, in_channels], operations [nodes, operation_channels], passing bool [nodes, 1], edge_index
        [2, edges] -> [nodes, out_channels].
    """

    def __init__(self, in_channels: int, out_channels: int, operation_channels: int):
        super().__init__(aggr="add", flow="source_to_target")
        self.in_channels, self.out_channels, self.operation_channels = in_channels, out_channels, operation_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.gate = nn.Linear(operation_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, operations: Tensor, passing: Tensor, edge_index: Tensor) -> Tensor:
        x = self.lin(x)
        gate = torch.sigmoid(self.gate(operations)).masked_fill(passing, 1)
        incoming: Tensor = self.propagate(edge_index, x=x)
        return gate * incoming + x + self.bias

    def message(self, x_j: Tensor) -> Tensor:
        """What flows along an edge: the source's transformed state."""
        return x_j

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, operation={self.operation_channels})"


class InformationFlow(nn.Module):
    """Layers of GatedFlow with ReLU between them, one pass of TA-GATES.

    Args:
        widths: channels before the first layer and behind each.
        operation_channels: of the operations' embeddings.

    Shapes:
        as GatedFlow, from widths[0] to widths[-1] channels.
    """

    def __init__(self, widths: Sequence[int], operation_channels: int):
        super().__init__()
        self.convs = nn.ModuleList(
            GatedFlow(before, after, operation_channels) for before, after in itertools.pairwise(widths)
        )

    def forward(self, x: Tensor, operations: Tensor, passing: Tensor, edge_index: Tensor) -> Tensor:
        for index, conv in enumerate(self.convs):
            x = conv(x if index == 0 else torch.relu(x), operations, passing, edge_index)
        return x
