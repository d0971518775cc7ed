"""DELE: a gate weighs experts, each of which has learned one cheap column."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from predictor.encoders.base import Encoder
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.gates import GatesEncoder
from predictor.encoders.labels import scoring_head
from spaces.space import Codes, SearchSpace

PUBLISHED = {"hidden": 128, "layers": 5, "head": 300, "head_layers": 5}
"""Sizes of each expert and of the gate in the release, aw_nas' `examples/research/dele`."""


class DeleEncoder(Encoder):
    """Score graphs by the sum of experts' scores, weighted by a gate that reads the graph too.

    Dynamic ensemble of low-fidelity experts (Zhao, Ning et al., AAAI 2023, arXiv 2302.00932), eq. 2
    and 3: score(a) = sum_i softmax(g(a))_i e_i(a). The training has two steps: each expert first
    ranks by a column of its own, such as a zero-cost proxy; then gate and experts rank together by
    the values. Every expert and the gate are `GatesEncoder`s of their own. They are smaller than
    published (`PUBLISHED`), since there are as many as columns.

    Args:
        experts: The experts, one for each column.
        gate: Encoder whose features the gate reads.
        hidden: Channels of those features.
        head: Channels of the gate's hidden layer.
        dropout: Dropout probability in the gate.

    Shapes:
        n graphs -> [n]; with `every_step=True` the scores of the experts, [n, experts].
    """

    name: ClassVar[str] = "dele"
    expert_argument: ClassVar[str] = "experts"
    pretraining: ClassVar[int] = 1000

    def __init__(
        self,
        experts: list[GatesEncoder],
        gate: GatesEncoder,
        hidden: int,
        head: int,
        dropout: float,
    ):
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.gate = gate
        self.gate_head = scoring_head(hidden, (head,), dropout, outputs=len(experts))

    @classmethod
    def from_space(
        cls,
        space: SearchSpace,
        experts: int = 2,
        hidden: int = 48,
        layers: int = 4,
        head: int = 100,
        head_layers: int = 1,
        dropout: float = 0.1,
        **config: Any,
    ) -> Self:
        """Make an encoder for a space with random weights; see `Encoder.from_space`.

        Args:
            space: Space of the architectures.
            experts: Number of experts.
            hidden: Channels of the states of each expert and of the gate.
            layers: Number of layers of each of them.
            head: Channels of the hidden layers of their heads.
            head_layers: Number of these hidden layers; the gate has one.
            dropout: Dropout probability in the heads.
            config: Further arguments of `GatesEncoder`.
        """
        sizes = {
            "hidden": hidden,
            "layers": layers,
            "head": head,
            "head_layers": head_layers,
            "dropout": dropout,
            **config,
        }
        encoders = [GatesEncoder.from_space(space, **sizes) for _ in range(experts + 1)]
        return cls(encoders[:-1], encoders[-1], hidden, head, dropout)

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> DenseGraphs:
        """Return the graphs of architectures with the codes `codes`, int array [n, choices]."""
        graphs: DenseGraphs = GatesEncoder.inputs(space, codes)
        return graphs

    def forward(self, inputs: DenseGraphs, every_step: bool = False) -> Tensor:
        """Return the scores [n] of n graphs, or those of every expert, [n, experts]."""
        scores = torch.stack([expert(inputs) for expert in self.experts], dim=-1)
        if every_step:
            return scores
        return (self.weights(inputs) * scores).sum(-1)

    def weights(self, inputs: DenseGraphs) -> Tensor:
        """Return the weights of the experts for n graphs, [n, experts]; each row sums to 1."""
        logits: Tensor = self.gate_head(self.gate.features(inputs))
        return logits.softmax(-1)
