"""TA-GATES: the encoding imitates training by passes forward, backward and updates of the
operations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from predictor.encoders.base import GraphEncoder, operation_values
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.information_flow import InformationFlow, flattened
from predictor.encoders.labels import NodeLabels, ReadOut, scoring_head
from predictor.encoders.positions import informative_positions
from predictor.errors import InvalidValues
from spaces.errors import InvalidParameter
from spaces.space import SearchSpace

# Deviation of the embeddings at the start: gates near one half pass all operations equally.
_WIDE = 2.0
# The paper's sizes on NAS-Bench-201.
_SIZE_ON_EDGES: dict[str, Any] = {"layers": 3, "steps": 4, "head": (300,) * 5}
_SIZE_ON_NODES: dict[str, Any] = {"layers": 5, "steps": 2, "head": (200,)}

PUBLISHED: dict[str, dict[str, Any]] = {
    "nasbench301": {
        "steps": 4,
        "layers": 5,
        "hidden": 64,
        "operation_channels": 32,
        "state_channels": 32,
        "head": (200,),
    },
    "enas": {
        "steps": 2,
        "layers": 6,
        "hidden": 64,
        "operation_channels": 32,
        "state_channels": 32,
        "head": (200,),
    },
}
"""Benchmark -> sizes of the release (aw_nas, `examples/research/tagates`), as arguments of
`from_space`: of the cells of `darts` and of `enas`, whose training has batches of 128 architectures
and 16 pairs of each.
"""

_PASSING = re.compile(r"skip|identity|zero|output", re.IGNORECASE)
_WITHOUT_WEIGHTS = re.compile(r"skip|identity|zero|output|none|pool", re.IGNORECASE)


class TaGatesEncoder(GraphEncoder):
    r"""The encoder of TA-GATES (Ning et al., NeurIPS 2022).

    Each of T steps mimics a step of training: it sends information forward through the gates of the
    operations, turns the states at the outputs into information that flows backward over the
    transposed graph, and updates the operations' embeddings:

    .. math::
        e_{t+1} = e_t + 0.1 \, \mathrm{MLP}([\bar e_t, \bar h_t, b_t])

    with :math:`h` and :math:`b` a node's states after the passes (the messages of operations on
    edges), and a bar where the gradient is stopped. Only operations with weights are updated, and
    the gates of skips and outputs are 1; both are recognised by the operations' names. The score is
    that of the last step.

    Two operations of one kind start with equal embeddings; the paper breaks the symmetry by
    zero-cost features of each operation. With `zero_cost` features their embedding is added, that
    of zeros where the graphs have none. Without them only positions distinguish such operations,
    where they are informative (`informative_positions`).

    Args:
        operations: Names of the operations (node labels 1 to len(operations); 0 is the input).
        positions: Number of positions (labels 1 to positions; 0 is the input). 0: positions are not
            used.
        operation_channels: Channels of the operations' embeddings (paper: 48).
        state_channels: Channels of the nodes' initial states (paper: 96).
        hidden: Channels of the states in the passes (paper: 128).
        layers: Layers of each pass (paper: 5 for operations on nodes, 3 for operations on edges).
        steps: T, at least 1 (paper: 2 to 4).
        update_scale: Factor of the updates (paper: 0.1).
        zero_cost: Number of zero-cost features of an operation (paper: 7). 0: none.
        zero_cost_scale: Factor of their embedding (paper: 0.1).
        head: Channels of the head's hidden layers (paper: 200; on NAS-Bench-201 five times 300).
        anytime: Whether each step has its own head and enters the loss.
        dropout: Dropout probability in the head.
        on_edges: Whether the operations are on edges. Layers are then `EdgeFlow`, the states are
            the messages of edges, and the read-out is the sum that arrives at the outputs.
        gate_bias: Whether the gates of operations on nodes have a bias, as in the release.
        values: Numbers of the labels, float [operations + 1, scales]; None: they have none.

    Raises:
        InvalidParameter: `steps` is less than 1.

    Shapes:
        n graphs -> [n].
    """

    name: ClassVar[str] = "ta-gates"
    # Version 1 has operations on nodes in every space, and no bias in their gates; versions 1 and 2
    # have no values.
    version: ClassVar[int] = 3
    embeds_values: ClassVar[bool] = True
    auxiliary: ClassVar[str] = "zero_cost"

    def __init__(
        self,
        operations: Sequence[str],
        positions: int,
        operation_channels: int = 48,
        state_channels: int = 96,
        hidden: int = 128,
        layers: int = 5,
        steps: int = 2,
        update_scale: float = 0.1,
        zero_cost: int = 0,
        zero_cost_scale: float = 0.1,
        head: Sequence[int] = (200,),
        anytime: bool = False,
        dropout: float = 0.1,
        on_edges: bool = False,
        gate_bias: bool = True,
        values: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        if steps < 1:
            raise InvalidParameter(f"steps: TA-GATES takes at least 1, not {steps}")

        self.steps = steps
        self.update_scale = update_scale
        self.zero_cost = zero_cost
        self.zero_cost_scale = zero_cost_scale
        self.anytime = anytime
        self.on_edges = on_edges

        # Not persistent: both follow from the operations' names.
        self.passing: Tensor
        self.register_buffer("passing", _named(_PASSING, operations), persistent=False)
        self.without_weights: Tensor
        self.register_buffer(
            "without_weights", _named(_WITHOUT_WEIGHTS, operations), persistent=False
        )
        self.labels = NodeLabels(
            len(operations), positions, operation_channels, deviation=_WIDE, values=values
        )
        self.state = nn.Embedding(2, state_channels)
        self.forward_pass = InformationFlow(
            [state_channels, *[hidden] * layers], operation_channels, on_edges, gate_bias
        )

        # With one step nothing flows back, and the operations keep their first embeddings.
        if steps > 1:
            self._make_backward_pass(operation_channels, hidden, layers, gate_bias)
        if zero_cost:
            widths = (nn.Linear(zero_cost, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU())
            # Named for the symmetry that it breaks; the name is part of files.
            self.broken = nn.Sequential(*widths, nn.Linear(128, operation_channels))

        self.read_out = ReadOut(positions, hidden)
        self.heads = nn.ModuleList(
            scoring_head(hidden, head, dropout) for _ in range(steps if anytime else 1)
        )

    def _make_backward_pass(
        self, operation_channels: int, hidden: int, layers: int, gate_bias: bool
    ) -> None:
        """Make the layers by which information flows back and updates the operations."""
        self.turn = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.backward_pass = InformationFlow(
            [hidden] * (layers + 1), operation_channels, self.on_edges, gate_bias
        )
        self.update = nn.Sequential(
            nn.Linear(operation_channels + 2 * hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, operation_channels),
        )

    @classmethod
    def from_space(cls, space: SearchSpace, **config: Any) -> TaGatesEncoder:
        """Make an encoder for a space with random weights; see `Encoder.from_space`."""
        on_edges = space.operations_on_edges
        defaults: dict[str, Any] = {
            "positions": informative_positions(space),
            "on_edges": on_edges,
            **operation_values(cls, space),
            **(_SIZE_ON_EDGES if config.get("on_edges", on_edges) else _SIZE_ON_NODES),
        }
        return cls(space.operations, **{**defaults, **config})

    @classmethod
    def earlier_config(cls, version: int, space: SearchSpace) -> dict[str, Any]:
        """Return the arguments of an earlier version; see `Encoder.earlier_config`."""
        values = {"values": None} if version < 3 else {}
        return {"on_edges": False, "gate_bias": False, **values} if version < 2 else values

    def forward(self, inputs: DenseGraphs, every_step: bool = False) -> Tensor:
        """Score n graphs.

        With `anytime` each step has its own head and can predict the accuracy after its fraction of
        the training epochs; see `predictor.ensemble.losses.anytime`.

        Args:
            inputs: The graphs.
            every_step: Whether to return the scores of every step.

        Returns:
            Scores [n], or [n, steps] with `every_step`, the last column of which are the scores.
        """
        if not every_step:
            scores: Tensor = self.heads[-1](self.features(inputs)).squeeze(-1)
            return scores

        heads = self.heads if len(self.heads) > 1 else [self.heads[-1]] * self.steps
        return torch.cat(
            [head(features) for head, features in zip(heads, self._steps(inputs), strict=True)],
            dim=-1,
        )

    def features(self, inputs: DenseGraphs) -> Tensor:
        """Return the read-out after the last step [n, hidden]."""
        return self._steps(inputs)[-1]

    def _steps(self, graphs: DenseGraphs) -> list[Tensor]:
        """Return the read-out after each forward pass, [n, hidden]."""
        operations = self.labels(graphs.operation, graphs.position)
        if self.zero_cost:
            broken = flattened(self.broken, self._zero_cost(graphs))
            operations = operations + self.zero_cost_scale * broken

        passing = self.passing[graphs.operation].unsqueeze(-1)
        fixed = self.without_weights[graphs.operation].unsqueeze(-1)
        outgoing = graphs.incoming.transpose(-1, -2)
        start = self.state(graphs.is_operation.long())
        inputs = graphs.is_input.unsqueeze(-1)
        ends = graphs.is_end.unsqueeze(-1)
        read = graphs.is_end if self.on_edges else graphs.is_operation

        # Of operations on edges only the inputs have a state before the information arrives.
        if self.on_edges:
            start = start * inputs
        read_outs = []
        for step in range(self.steps):
            x = self.forward_pass(start, operations, passing, graphs.incoming, inputs)
            arrived = graphs.incoming @ x if self.on_edges else x
            read_outs.append(self.read_out(arrived, graphs.position, read))
            if step < self.steps - 1:
                # The information that flows backward starts at the outputs.
                turned = torch.where(ends, flattened(self.turn, arrived), 0)
                back = self.backward_pass(turned, operations, passing, outgoing, ends)
                change = flattened(
                    self.update, torch.cat([operations.detach(), x.detach(), back], dim=-1)
                )
                operations = operations + self.update_scale * torch.where(fixed, 0, change)

        return read_outs

    def _zero_cost(self, graphs: DenseGraphs) -> Tensor:
        """Return the graphs' zero-cost features, [n, nodes, zero_cost], or zeros without any."""
        features = graphs.features
        if not features.shape[-1]:
            return features.new_zeros(*features.shape[:-1], self.zero_cost)
        if features.shape[-1] != self.zero_cost:
            raise InvalidValues(
                f"zero_cost: {self.zero_cost} features an operation are expected, not"
                f" {features.shape[-1]}"
            )
        return features


def _named(pattern: re.Pattern[str], operations: Sequence[str]) -> Tensor:
    """Return bool [operations + 1]: whether the name of a label's operation matches.

    Label 0, the input, always does.
    """
    return torch.tensor([True, *(pattern.search(name) is not None for name in operations)])
