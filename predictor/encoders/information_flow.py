"""Layers in which information flows through graphs, gated by their operations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def flattened(layers: nn.Module, x: Tensor) -> Tensor:
    """Apply layers to states [n, nodes, channels] as products of two matrices.

    Under `torch.vmap` these become one batched product for a stack of members.
    """
    outputs: Tensor = layers(x.flatten(0, -2)).unflatten(0, x.shape[:-1])
    return outputs


class NodeFlow(nn.Module):
    r"""The graph layer of GATES for operations on nodes.

    Ning et al., ECCV 2020 (arXiv 2004.01899), equation 1:

    .. math::
        H' = G \odot (A H W) + H W + b

    with the rows of :math:`A` the incoming edges: each node takes the information that enters
    through the gate of its own operation, and keeps its own state. The gates are
    :math:`G = \sigma(E_{op} W_o + b_o)`, computed by `gates`.

    Args:
        in_channels: Channels of the states.
        out_channels: Channels of the new states.
        operation_channels: Channels of the operations' embeddings.
        gate_bias: Whether gates have the bias b_o, as in the release.

    Shapes:
        states [n, nodes, in_channels], gates [n, nodes, out_channels], incoming [n, nodes, nodes]
        -> [n, nodes, out_channels].
    """

    def __init__(
        self, in_channels: int, out_channels: int, operation_channels: int, gate_bias: bool = True
    ):
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.operation_channels = operation_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.gate = nn.Linear(operation_channels, out_channels, bias=gate_bias)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def gates(self, operations: Tensor) -> Tensor:
        """Return the gates [..., out_channels] of embeddings [..., operation_channels]."""
        return torch.sigmoid(self.gate(operations))

    def forward(self, x: Tensor, gates: Tensor, incoming: Tensor) -> Tensor:
        x = flattened(self.lin, x)
        return gates * (incoming @ x) + x + self.bias

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels},"
            f" operation={self.operation_channels})"
        )


class EdgeFlow(nn.Module):
    r"""The graph layer of GATES for operations on edges, over a graph whose nodes are these edges.

    The paper's new state of a vertex is the sum over its incoming edges of the transformed state of
    the edge's source, passed through the gate of the edge's operation; an input, which no edge
    enters, keeps its own:

    .. math::
        h'_i = \sum_{j \to i} \sigma(e_{ij} W_o + b_o) \odot (W h_j), \quad h'_0 = W h_0

    Here the state of a node is the message of one edge, :math:`m_{ij}`, so that :math:`h_j` is the
    sum over the nodes that lead to it. Parallel edges between two vertices are separate nodes; an
    edge without an operation is not a node. There is no other bias: a vertex without incoming edges
    stays 0 and sends nothing.

    Args:
        in_channels: Channels of the states.
        out_channels: Channels of the new states.
        operation_channels: Channels of the operations' embeddings.

    Shapes:
        states h [n, nodes, in_channels], gates [n, nodes, out_channels], incoming [n, nodes, nodes]
        (the states are sums over it already) -> [n, nodes, out_channels].
    """

    def __init__(self, in_channels: int, out_channels: int, operation_channels: int):
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.operation_channels = operation_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.gate = nn.Linear(operation_channels, out_channels)

    def gates(self, operations: Tensor) -> Tensor:
        """Return the gates [..., out_channels] of embeddings [..., operation_channels]."""
        return torch.sigmoid(self.gate(operations))

    def forward(self, x: Tensor, gates: Tensor, incoming: Tensor) -> Tensor:
        return gates * flattened(self.lin, x)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels},"
            f" operation={self.operation_channels})"
        )


class InformationFlow(nn.Module):
    """Layers of NodeFlow or EdgeFlow with ReLU between them: one pass of TA-GATES.

    Args:
        widths: Channels before the first layer and after each layer.
        operation_channels: Channels of the operations' embeddings.
        on_edges: Whether the operations are on edges of a cell, which are the graph's nodes.
        gate_bias: Whether the gates of NodeFlow have a bias.

    Shapes:
        states [n, nodes, widths[0]], operations [n, nodes, operation_channels], passing bool
        [n, nodes, 1] (nodes whose gates are 1), incoming [n, nodes, nodes], entering bool
        [n, nodes, 1] (nodes at which the information enters) -> [n, nodes, widths[-1]].
    """

    def __init__(
        self,
        widths: Sequence[int],
        operation_channels: int,
        on_edges: bool = False,
        gate_bias: bool = True,
    ):
        super().__init__()
        self.on_edges = on_edges
        self.convs = nn.ModuleList(
            EdgeFlow(before, after, operation_channels)
            if on_edges
            else NodeFlow(before, after, operation_channels, gate_bias)
            for before, after in itertools.pairwise(widths)
        )

    def forward(
        self, x: Tensor, operations: Tensor, passing: Tensor, incoming: Tensor, entering: Tensor
    ) -> Tensor:
        for index, conv in enumerate(self.convs):
            assert isinstance(conv, NodeFlow | EdgeFlow)
            gates = torch.sigmoid(flattened(conv.gate, operations)).masked_fill(passing, 1)
            x = x if index == 0 else torch.relu(x)
            # An edge reads the vertex that it leaves: the sum over the edges that enter this one.
            if self.on_edges:
                x = incoming @ x + entering * x
            x = conv(x, gates, incoming)
        return x
