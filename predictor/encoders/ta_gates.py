"""TA-GATES: the encoding imitates training by passes forward, backward and updates of the
operations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from predictor.encoders.base import GraphEncoder
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.information_flow import InformationFlow, flattened
from predictor.encoders.labels import NodeLabels, ReadOut, scoring_head
from predictor.encoders.positions import telling_positions
from predictor.errors import InvalidValues
from spaces.errors import InvalidParameter
from spaces.space import SearchSpace

# Deviation of the embeddings at the start: gates near one half pass all operations equally.
_WIDE = 2.0
_PASSING = re.compile(r"skip|identity|zero|output", re.IGNORECASE)
_WITHOUT_WEIGHTS = re.compile(r"skip|identity|zero|output|none|pool", re.IGNORECASE)


class TaGatesEncoder(GraphEncoder):
    r"""The encoding of TA-GATES (Ning et al., NeurIPS 2022), for operations on nodes.

    Each of T steps, as in training, sends information forward through gates of the operations,
    turns what arrives at the end into information that flows backward over the transposed graph,
    and updates the operations' embeddings:

    .. math::
        e_{t+1} = e_t + 0.1 \, \mathrm{MLP}([\bar e_t, \bar h_t, b_t])

    with :math:`h` and :math:`b` a node's states after the passes, and a bar where no gradient
    flows. Only operations with weights are updated; the gates of skips and outputs are 1 (as far as
    the operations' names tell). The score is that of the last step.

    Two operations of one kind start alike, as weights before their random initialisation would: the
    paper breaks the symmetry by zero-cost features of each operation. With `zero_cost` features
    their embedding is added where the graphs have them, and that of zeros where they have none.
    Without, only positions tell such operations apart, and only where they mean something
    (`telling_positions`).

    Args:
        operations: the operations' names (node labels 1 to len(operations); 0 is the input).
        positions: how many positions (labels 1 to positions; 0 is the input); 0: positions are not
            told.
        operation_channels: of the operations' embeddings (paper: 48).
        state_channels: of the nodes' states at the start (paper: 96).
        hidden: channels of the passes' states (paper: 128).
        layers: of each pass (paper: 5 for operations on nodes, 3 for operations on edges).
        steps: T (paper: 2 to 4).
        update_scale: of the updates (paper: 0.1).
        zero_cost: how many features an operation has (paper: 7); 0: none.
        zero_cost_scale: of their embedding (paper: 0.1).
        head: hidden channels of the head (paper: 200; on NAS-Bench-201 five times 300).
        anytime: whether each step has a head of its own, and is trained.
        dropout: in the head.

    Shapes:
        n graphs -> [n].
    """

    name: ClassVar[str] = "ta-gates"
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
    ):
        super().__init__()
        if steps < 1:
            raise InvalidParameter(f"steps: TA-GATES takes at least 1, not {steps}")
        self.steps, self.update_scale, self.zero_cost_scale = steps, update_scale, zero_cost_scale
        self.zero_cost, self.anytime = zero_cost, anytime
        self.passing: Tensor
        self.register_buffer("passing", _named(_PASSING, operations), persistent=False)
        self.without_weights: Tensor
        self.register_buffer(
            "without_weights", _named(_WITHOUT_WEIGHTS, operations), persistent=False
        )
        self.labels = NodeLabels(len(operations), positions, operation_channels, deviation=_WIDE)
        self.state = nn.Embedding(2, state_channels)
        self.forward_pass = InformationFlow(
            [state_channels, *[hidden] * layers], operation_channels
        )
        if steps > 1:
            self.turn = nn.Sequential(
                nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden)
            )
            self.backward_pass = InformationFlow([hidden] * (layers + 1), operation_channels)
            self.update = nn.Sequential(
                nn.Linear(operation_channels + 2 * hidden, hidden),
                nn.ReLU(),
                nn.Linear(hidden, operation_channels),
            )
        if zero_cost:
            widths = (nn.Linear(zero_cost, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU())
            self.broken = nn.Sequential(*widths, nn.Linear(128, operation_channels))
        self.read_out = ReadOut(positions, hidden)
        self.heads = nn.ModuleList(
            scoring_head(hidden, head, dropout) for _ in range(steps if anytime else 1)
        )

    @classmethod
    def of(cls, space: SearchSpace, **config: Any) -> TaGatesEncoder:
        """An encoder for a space with fresh weights; `config` as the class takes it."""
        return cls(space.operations, **{"positions": telling_positions(space), **config})

    def forward(self, inputs: DenseGraphs, every_step: bool = False) -> Tensor:
        """Scores [n] of n graphs; `every_step`: those of every step, [n, steps], the last of which
        are the scores.

        With `anytime` a step has its own head and can predict what training reaches by its share of
        the epochs; see `predictor.ensemble.losses.anytime`.
        """
        if not every_step:
            scores: Tensor = self.heads[-1](self.features(inputs)).squeeze(-1)
            return scores
        heads = self.heads if len(self.heads) > 1 else [self.heads[-1]] * self.steps
        return torch.cat(
            [head(read) for head, read in zip(heads, self._steps(inputs), strict=True)], dim=-1
        )

    def features(self, inputs: DenseGraphs) -> Tensor:
        """What is read out after the last step [n, hidden]."""
        return self._steps(inputs)[-1]

    def _steps(self, graphs: DenseGraphs) -> list[Tensor]:
        # What is read out after each forward pass, [n, hidden].
        operations = self.labels(graphs.operation, graphs.position)
        if self.zero_cost:
            broken = flattened(self.broken, self._zero_cost(graphs))
            operations = operations + self.zero_cost_scale * broken
        passing = self.passing[graphs.operation].unsqueeze(-1)
        fixed = self.without_weights[graphs.operation].unsqueeze(-1)
        incoming, outgoing = graphs.incoming, graphs.incoming.transpose(-1, -2)
        start = self.state(graphs.is_operation.long())
        ends = graphs.is_end.unsqueeze(-1)
        found = []
        for step in range(self.steps):
            x = self.forward_pass(start, operations, passing, incoming)
            found.append(self.read_out(x, graphs.position, graphs.is_operation))
            if step < self.steps - 1:
                turned = torch.where(ends, flattened(self.turn, x), 0)
                back = self.backward_pass(turned, operations, passing, outgoing)
                change = flattened(
                    self.update, torch.cat([operations.detach(), x.detach(), back], dim=-1)
                )
                operations = operations + self.update_scale * torch.where(fixed, 0, change)
        return found

    def _zero_cost(self, graphs: DenseGraphs) -> Tensor:
        given = graphs.features
        if not given.shape[-1]:
            return given.new_zeros(*given.shape[:-1], self.zero_cost)
        if given.shape[-1] != self.zero_cost:
            raise InvalidValues(
                f"zero_cost: {self.zero_cost} features an operation are expected, not"
                f" {given.shape[-1]}"
            )
        return given


def _named(pattern: re.Pattern[str], operations: Sequence[str]) -> Tensor:
    # Bool [operations + 1]: whether an operation is named so; the input always is.
    return torch.tensor([True, *(pattern.search(name) is not None for name in operations)])
