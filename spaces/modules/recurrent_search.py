"""The search network of DARTS for recurrent cells, and how a cell is read from it.

Liu et al., ICLR 2019 (arXiv 1806.09055, appendix A.1.2; quark0/darts, rnn/model_search.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from spaces.modules.choices import LayerChoice
from spaces.modules.recurrent import RecurrentModel, RecurrentSupernet, Sizes, mean
from spaces.modules.recurrent_parts import ACTIVATIONS, activation

if TYPE_CHECKING:
    from spaces.recurrent.space import RecurrentSpace

NONE = "none"
"""The candidate of an edge that carries nothing."""


class RecurrentSearchSupernet(RecurrentSupernet):
    """A supernet whose states are normalised, without scale and shift.

    Without it, states that many nodes add up would grow from node to node. As in the release, one
    normalisation serves all states.

    Args:
        space: Space whose cells it runs.
        sizes: Sizes and dropout.
    """

    def __init__(self, space: RecurrentSpace, sizes: Sizes):
        super().__init__(space, sizes)
        self.norm = nn.BatchNorm1d(sizes.width, affine=False)

    def normalised(self, state: Tensor) -> Tensor:
        """Return a state [b, width] with the statistics of the batch."""
        result: Tensor = self.norm(state)
        return result

    def path(self) -> list[nn.Module]:
        """Return the modules that every architecture executes, in order."""
        return [*self.blocks, self.norm]


class RecurrentEdges(RecurrentModel):
    """DARTS relaxed: each node adds up functions of all earlier states, chosen on each edge.

    The choice on the edge from state `SOURCE` to node `NODE` is keyed `node_NODE_SOURCE`. All edges
    to a node share its matrix.

    Args:
        supernet: Supernet whose modules are shared.
    """

    def __init__(self, supernet: RecurrentSearchSupernet):
        super().__init__()
        self.sizes = supernet.sizes
        self.vectors = supernet.vectors
        self.input_dropout = supernet.input_dropout
        self.initial = supernet.initial
        self.hidden_tap = supernet.hidden_tap
        self.output_dropout = supernet.output_dropout
        self.scores = supernet.scores
        self.norm = supernet.norm

        # Only the matrices: the activations are the edges' own.
        self.matrices = nn.ModuleList(node.get_submodule("linear") for node in supernet.nodes)
        self.edges = nn.ModuleList(
            nn.ModuleList(_edge(node, source) for source in range(node))
            for node in range(1, self.sizes.nodes + 1)
        )

    def cell(self, state: Tensor, mask: Tensor | None) -> Tensor:
        """Return the mean of all nodes."""
        states = [self.norm(state)]
        for matrix, edges in zip(self.matrices, self.edges, strict=True):
            # One product for all states.
            stacked = torch.stack(states)
            gates, updates = matrix(stacked if mask is None else stacked * mask).chunk(2, -1)
            terms = [
                edge(*inputs)
                for edge, *inputs in zip(
                    edges,  # type: ignore[call-overload]
                    states,
                    gates.sigmoid().unbind(),
                    updates.unbind(),
                    strict=True,
                )
            ]
            states.append(self.norm(sum(terms[1:], terms[0])))
        return mean(states[1:])


class _Gated(nn.Module):
    """A highway with an activation: s + c (f(g) - s).

    Args:
        name: Name of the activation f.
    """

    def __init__(self, name: str):
        super().__init__()
        self.activation = activation(name)

    def forward(self, state: Tensor, gate: Tensor, update: Tensor) -> Tensor:
        """Return the gated state [b, width]."""
        result: Tensor = state + gate * (self.activation(update) - state)
        return result


class _Nothing(nn.Module):
    """The candidate that carries nothing."""

    def forward(self, state: Tensor, gate: Tensor, update: Tensor) -> Tensor:
        """Return zeros [b, width]."""
        return torch.zeros_like(state)


def _edge(node: int, source: int) -> LayerChoice:
    candidates: dict[str, Any] = {NONE: _Nothing()}
    candidates |= {name: _Gated(name) for name in ACTIVATIONS}
    return LayerChoice(candidates, key=f"node_{node}_{source}")


def derive_cell(probabilities: Mapping[str, Tensor], nodes: int) -> dict[str, str]:
    """Read a cell from the edges, as the release does.

    Each node keeps the input whose best activation is most probable; of equal ones the first.

    Args:
        probabilities: Key of an edge -> probabilities [candidates].
        nodes: Number of nodes.

    Returns:
        Choice of the space -> candidate.
    """
    names = list(ACTIVATIONS)
    choices: dict[str, str] = {}
    for node in range(1, nodes + 1):
        # Without `none`, which is the first candidate.
        rows = torch.stack(
            [probabilities[f"node_{node}_{source}"].detach()[1:] for source in range(node)]
        )
        source = int(rows.max(1).values.argmax())
        if node > 1:
            choices[f"node_{node}_input"] = str(source)
        choices[f"node_{node}_activation"] = names[int(rows[source].argmax())]
    return choices
