"""GATES: operations gate the information that flows through the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from predictor.encoders.base import GraphEncoder
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.information_flow import EdgeFlow, NodeFlow
from predictor.encoders.labels import NodeLabels, ReadOut, scoring_head
from predictor.encoders.positions import telling_positions
from spaces.relaxed import RelaxedGraphs
from spaces.space import SearchSpace

# Deviations of embeddings at the start, where gates near one half would let all operations through
# alike; along a
# chain, where the worth of an operation depends on those before it, gates that are open or shut
# tell more.
_WIDE, _WIDER = 2.0, 4.0
_SIZE_ON_EDGES = {"hidden": 128, "head": 300, "head_layers": 5}  # the paper's, on NAS-Bench-201


class GatesEncoder(GraphEncoder):
    """Scores graphs by layers of gated information flow, a mean over nodes, and a small head.

    The input has a learned state, the other nodes share one. Where operations stand on the edges of
    a cell (NAS-Bench-201, DARTS), layers are `EdgeFlow` and the features are what arrives at the
    outputs; else they are `NodeFlow` and the features are the mean over the nodes without the
    input. What the paper leaves open for chains is where an operation stands: the same one is worth
    more or less depending on its depth, which a plain mean over nodes would forget. So an
    operation's embedding is that of the operation plus that of its position, and the states that
    are read out are weighted by a learned vector of the position.

    Args:
        operations: how many distinct operations (node labels 1 to operations; 0 is the input).
        positions: how many positions (labels 1 to positions; 0 is the input); 0: positions are not
            told, as in the paper's cells.
        on_edges: whether the operations stand on edges.
        operation_channels: of the operations' embeddings.
        hidden: channels of the states (paper: 96 to 128; on edges 128).
        layers: how many (paper: 4 or 5).
        head: channels of the head's hidden layers (paper: 200; on edges 300).
        head_layers: how many (paper: 1; on edges 5).
        dropout: in the head.
        deviation: of the operations' embeddings at the start.

    Shapes:
        n graphs -> [n].
    """

    name: ClassVar[str] = "gates"

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
    ):
        super().__init__()
        self.labels = NodeLabels(operations, positions, operation_channels, deviation)
        self.state = nn.Embedding(2, hidden)
        flow = EdgeFlow if on_edges else NodeFlow
        self.convs = nn.ModuleList(flow(hidden, hidden, operation_channels) for _ in range(layers))
        self.on_edges = on_edges
        self.read_out = ReadOut(positions, hidden)
        self.head = scoring_head(hidden, (head,) * head_layers, dropout)

    @classmethod
    def of(cls, space: SearchSpace, **config: Any) -> Self:
        """An encoder for a space with fresh weights; `config` as the class takes it."""
        on_edges = space.operations_on_edges
        known: dict[str, Any] = {"positions": telling_positions(space), "on_edges": on_edges}
        if on_edges:
            known.update(_SIZE_ON_EDGES)
        elif known["positions"]:
            known["deviation"] = _WIDER
        return cls(len(space.operations), **{**known, **config})

    def sizes(self) -> dict[str, Any]:
        """Those that differ between operations on nodes and on edges, and the form itself where it
        is that on nodes.

        Every space has that form. Weights of the one on edges serve either, those of nodes do not
        serve edges: NAS-Bench-101's gave .729 on NAS-Bench-201 with 78 architectures, where fresh
        ones give .743.
        """
        linear = [layer for layer in self.head if isinstance(layer, nn.Linear)]
        head = {"head": linear[0].out_features, "head_layers": len(linear) - 1}
        form = {} if self.on_edges else {"on_edges": False}
        return {"hidden": self.state.embedding_dim, **head, **form}

    def forward(self, inputs: DenseGraphs | RelaxedGraphs) -> Tensor:
        """Scores [n] of n graphs; those of relaxed graphs, where nothing is in part, are the scores
        of the graphs.
        """
        features = (
            self._soft(inputs) if isinstance(inputs, RelaxedGraphs) else self.features(inputs)
        )
        scores: Tensor = self.head(features).squeeze(-1)
        return scores

    def features(self, inputs: DenseGraphs) -> Tensor:
        """What is read out [n, hidden]."""
        kinds = self.labels.kinds(inputs.operation, inputs.position)
        # One gate for each kind of node, not for each node.
        gates = [nn.functional.embedding(kinds, every) for every in self._gates()]
        read = inputs.is_end if self.on_edges else inputs.is_operation
        return self._flow(gates, ~inputs.is_operation, inputs.incoming, inputs.position, read)

    def _soft(self, graphs: RelaxedGraphs) -> Tensor:
        # The features of relaxed graphs, [n, hidden]; a mixture's gate is the mean of its
        # operations' gates.
        count, nodes, operations = graphs.mixtures.shape
        place = torch.arange(nodes)
        labels = torch.arange(operations).unsqueeze(1)
        kinds = self.labels.kinds(labels, place).expand(operations, nodes)
        gates = [
            torch.einsum("nko,okc->nkc", graphs.mixtures, every[kinds]) for every in self._gates()
        ]
        entering = (place == 0).expand(count, -1)
        incoming = graphs.adjacency.T * graphs.presence.unsqueeze(1)
        read = graphs.presence * (graphs.adjacency.sum(1) == 0 if self.on_edges else place > 0)
        return self._flow(gates, entering, incoming, place.expand(count, -1), read)

    def _gates(self) -> list[Tensor]:
        # Of every kind of node, [kinds, hidden] a layer; those of inputs, which come first, are 1.
        every = self.labels.every()
        inputs = (
            torch.arange(len(every)).unsqueeze(1)
            < len(every) // self.labels.operation.num_embeddings
        )
        flows = cast("Iterable[EdgeFlow | NodeFlow]", self.convs)
        return [flow.gates(every).masked_fill(inputs, 1) for flow in flows]

    def _flow(
        self,
        gates: Sequence[Tensor],
        entering: Tensor,
        incoming: Tensor,
        position: Tensor,
        read: Tensor,
    ) -> Tensor:
        # gates [n, nodes, hidden] a layer; entering bool [n, nodes]: inputs; read: weights of nodes
        # [n, nodes].
        x: Tensor = self.state((~entering).long())
        own = entering.unsqueeze(-1).to(x.dtype)
        if self.on_edges:
            x = x * own
        for index, (conv, gate) in enumerate(zip(self.convs, gates, strict=True)):
            if self.on_edges:
                x = incoming @ x + own * x
            x = conv(x if index == 0 else torch.relu(x), gate, incoming)
        found: Tensor = self.read_out(incoming @ x if self.on_edges else x, position, read)
        return found
