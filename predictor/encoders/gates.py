"""GATES: operations gate the information that flows through the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from predictor.encoders.base import GraphEncoder, operation_values
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.information_flow import EdgeFlow, NodeFlow
from predictor.encoders.labels import NodeLabels, ReadOut, scoring_head
from predictor.encoders.positions import informative_positions
from spaces.graphs.relaxed import RelaxedGraphs
from spaces.space import SearchSpace

# Standard deviations of the initial embeddings. Gates near one half would pass all operations
# equally; along a chain, where the effect of an operation depends on those before it, gates that
# are open or shut distinguish more.
_WIDE = 2.0
_WIDER = 4.0
# The paper's sizes on NAS-Bench-201.
_SIZE_ON_EDGES = {"hidden": 128, "head": 300, "head_layers": 5}


class GatesEncoder(GraphEncoder):
    """Score graphs by layers of gated information flow, a mean over nodes and a small head.

    GATES (Ning et al., ECCV 2020, arXiv 2004.01899). The input has a learned state, the other nodes
    share one. Where the operations of a cell are on its edges (NAS-Bench-201, DARTS), layers are
    `EdgeFlow` and the features are the sums that arrive at the outputs; else they are `NodeFlow`
    and the features are the mean over the nodes without the input.

    The paper does not treat chains, where the effect of an operation depends on its depth, which a
    mean over nodes would ignore. So an operation's embedding is the sum of those of the operation
    and its position, and a learned vector of the position weights the states that are read out.

    Args:
        operations: Number of distinct operations (node labels 1 to operations; 0 is the input).
        positions: Number of positions (labels 1 to positions; 0 is the input). 0: positions are not
            used, as in the paper's cells.
        on_edges: Whether the operations are on edges.
        operation_channels: Channels of the operations' embeddings.
        hidden: Channels of the states (paper: 96 to 128; on edges 128).
        layers: Number of layers (paper: 4 or 5).
        head: Channels of the head's hidden layers (paper: 200; on edges 300).
        head_layers: Number of the head's hidden layers (paper: 1; on edges 5).
        dropout: Dropout probability in the head.
        deviation: Standard deviation of the operations' initial embeddings.
        gate_bias: Whether the gates of operations on nodes have a bias, as in the release.
        values: Numbers of the labels, float [operations + 1, scales]; None: they have none.

    Shapes:
        n graphs -> [n].
    """

    name: ClassVar[str] = "gates"
    # Version 1 has no bias in the gates of operations on nodes, versions 1 and 2 no values.
    version: ClassVar[int] = 3
    embeds_values: ClassVar[bool] = True

    def __init__(
        self,
        operations: int,
        positions: int,
        on_edges: bool = False,
        operation_channels: int = 48,
        hidden: int = 96,
        layers: int = 5,
        head: int = 200,
        head_layers: int = 1,
        dropout: float = 0.1,
        deviation: float = _WIDE,
        gate_bias: bool = True,
        values: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        self.labels = NodeLabels(operations, positions, operation_channels, deviation, values)

        # State 0 is that of nodes at which information enters, state 1 that of all others.
        self.state = nn.Embedding(2, hidden)
        self.convs = nn.ModuleList(
            EdgeFlow(hidden, hidden, operation_channels)
            if on_edges
            else NodeFlow(hidden, hidden, operation_channels, gate_bias)
            for _ in range(layers)
        )
        self.on_edges = on_edges
        self.gate_bias = gate_bias
        self.read_out = ReadOut(positions, hidden)
        self.head = scoring_head(hidden, (head,) * head_layers, dropout)

    @classmethod
    def from_space(cls, space: SearchSpace, **config: Any) -> Self:
        """Make an encoder for a space with random weights; see `Encoder.from_space`."""
        on_edges = space.operations_on_edges
        positions = informative_positions(space)
        defaults: dict[str, Any] = {
            "positions": positions,
            "on_edges": on_edges,
            **operation_values(cls, space),
        }
        if on_edges:
            defaults.update(_SIZE_ON_EDGES)
        elif positions:
            defaults["deviation"] = _WIDER

        return cls(len(space.operations), **{**defaults, **config})

    @classmethod
    def earlier_config(cls, version: int, space: SearchSpace) -> dict[str, Any]:
        """Return the arguments of an earlier version; see `Encoder.earlier_config`."""
        values = {"values": None} if version < 3 else {}
        return {"gate_bias": False, **values} if version < 2 else values

    def sizes(self) -> dict[str, Any]:
        """Return the sizes that differ between operations on nodes and on edges, and the form.

        Weights of the form on edges work for either form, so that it is not returned. Those of the
        form on nodes do not work on edges: with NAS-Bench-101's weights tau was 0.729 on
        NAS-Bench-201 with 78 architectures, with random ones 0.743. Every space has the form on
        nodes.
        """
        linear = [layer for layer in self.head if isinstance(layer, nn.Linear)]
        head = {"head": linear[0].out_features, "head_layers": len(linear) - 1}
        form = {} if self.on_edges else {"on_edges": False}
        # Weights without a bias would be mixed with random biases.
        if not self.gate_bias:
            form["gate_bias"] = False

        return {"hidden": self.state.embedding_dim, **head, **form}

    def forward(self, inputs: DenseGraphs | RelaxedGraphs) -> Tensor:
        """Return the scores [n] of n graphs.

        Relaxed graphs without mixtures have the scores of the equal graphs.
        """
        if isinstance(inputs, RelaxedGraphs):
            features = self._relaxed_features(inputs)
        else:
            features = self.features(inputs)

        scores: Tensor = self.head(features).squeeze(-1)
        return scores

    def features(self, inputs: DenseGraphs) -> Tensor:
        """Return the read-out [n, hidden] of n graphs."""
        kinds = self.labels.kinds(inputs.operation, inputs.position)
        # Gates are computed once for each kind of node, not for each node.
        gates = [nn.functional.embedding(kinds, gate) for gate in self._gates_of_kinds()]
        read = inputs.is_end if self.on_edges else inputs.is_operation
        return self._flow(gates, ~inputs.is_operation, inputs.incoming, inputs.position, read)

    def _relaxed_features(self, graphs: RelaxedGraphs) -> Tensor:
        """Return the read-out [n, hidden] of relaxed graphs."""
        count, nodes, operations = graphs.mixtures.shape

        # Position i of a relaxed graph is the index of its node i.
        position = torch.arange(nodes)
        labels = torch.arange(operations).unsqueeze(1)
        kinds = self.labels.kinds(labels, position).expand(operations, nodes)
        # A mixture's gate is the mean of its operations' gates.
        gates = [
            torch.einsum("nko,okc->nkc", graphs.mixtures, gate[kinds])
            for gate in self._gates_of_kinds()
        ]

        entering = (position == 0).expand(count, -1)
        incoming = graphs.adjacency.T * graphs.presence.unsqueeze(1)
        is_read = graphs.adjacency.sum(1) == 0 if self.on_edges else position > 0
        read = graphs.presence * is_read

        return self._flow(gates, entering, incoming, position.expand(count, -1), read)

    def _gates_of_kinds(self) -> list[Tensor]:
        """Return each layer's gates of every kind of node, [kinds, hidden]."""
        embeddings = self.labels.all_kinds()
        # The kinds of inputs come first; their gates are 1.
        num_inputs = len(embeddings) // self.labels.operation.num_embeddings
        is_input = torch.arange(len(embeddings)).unsqueeze(1) < num_inputs
        flows = cast("Iterable[EdgeFlow | NodeFlow]", self.convs)
        return [flow.gates(embeddings).masked_fill(is_input, 1) for flow in flows]

    def _flow(
        self,
        gates: Sequence[Tensor],
        entering: Tensor,
        incoming: Tensor,
        position: Tensor,
        read: Tensor,
    ) -> Tensor:
        """Run the layers and read the states out.

        Args:
            gates: Gates of each layer, [n, nodes, hidden].
            entering: Whether a node is an input, bool [n, nodes].
            incoming: Transposed adjacency matrices, [n, nodes, nodes].
            position: Positions of the nodes, [n, nodes].
            read: Weights of the nodes in the read-out, [n, nodes].

        Returns:
            Features, [n, hidden].
        """
        x: Tensor = self.state((~entering).long())
        is_input = entering.unsqueeze(-1).to(x.dtype)
        if self.on_edges:
            x = x * is_input

        for index, (conv, gate) in enumerate(zip(self.convs, gates, strict=True)):
            # A node is an edge of the cell: it reads the vertex that it leaves, the sum over the
            # edges that enter that vertex.
            if self.on_edges:
                x = incoming @ x + is_input * x
            x = conv(x if index == 0 else torch.relu(x), gate, incoming)

        features: Tensor = self.read_out(incoming @ x if self.on_edges else x, position, read)

        return features
