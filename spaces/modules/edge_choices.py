"""Supernets of cells as models with a LayerChoice on each edge.

A cell supernet runs one architecture by its plan; algorithms that mix or sample candidates need
the candidates as modules.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.partial import first_channels, partial_mixture, shuffled
from spaces.modules.supernet import Supernet

if TYPE_CHECKING:
    from spaces.cells.edge_cells import Edges
    from spaces.modules.cells import CellSupernet


class Zero(nn.Module):
    """The zero operation: zeros of the input's shape, divided by a stride.

    Args:
        stride: Factor by which height and width shrink.
    """

    def __init__(self, stride: int = 1):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride])


def edge_choice(
    places: nn.ModuleDict, edge: str, operations: Sequence[str], key: str, stride: int = 1
) -> LayerChoice:
    """Collect the operations of an edge as a LayerChoice.

    Args:
        places: Modules of a cell supernet, by `EDGE/OPERATION`.
        edge: Name of the edge in `places`.
        operations: Names of the candidates. Without a module `none` is zero, and any other
            operation passes its input.
        key: Key of the choice.
        stride: Stride of the zero operation.
    """
    # Operations without weights have no module in the supernet.
    candidates: dict[str, nn.Module] = {}
    for name in operations:
        if f"{edge}/{name}" in places:
            candidates[name] = places[f"{edge}/{name}"]
        else:
            candidates[name] = Zero(stride) if name == "none" else nn.Identity()

    return LayerChoice(candidates, key=key)


def edge_choices(counts: Mapping[str, int]) -> nn.ModuleDict:
    """Make an InputChoice for the edges into each node, whose probabilities weight the edges.

    Args:
        counts: Node -> number of its edges; the key of the choice is `NODE_edges`.
    """
    return nn.ModuleDict(
        {
            node: InputChoice(n_candidates=count, n_chosen=1, key=f"{node}_edges")
            for node, count in counts.items()
        }
    )


def node_value(
    choices: nn.ModuleDict,
    node: str,
    mixtures: Sequence[nn.Module],
    sources: Sequence[Tensor],
    channel_divisor: int,
) -> Tensor:
    """Return the value of a node: the sum of its edges, weighted where `choices` has the node.

    Args:
        choices: Choices of the edges, as `edge_choices` makes them.
        node: Name of the node.
        mixtures: Mixture of operations on each edge.
        sources: Value that each edge reads, [n, channels, height, width].
        channel_divisor: Ratio of the channels to those of the mixtures; see `partial_mixture`.
    """
    edges = list(zip(mixtures, sources, strict=True))
    if node not in choices:
        terms = [partial_mixture(mixture, x, channel_divisor) for mixture, x in edges]
        # Not sum(terms): its 0 would add a step to the computation.
        return sum(terms[1:], terms[0])
    if channel_divisor == 1:
        weighted: Tensor = choices[node]([mixture(x) for mixture, x in edges])
        return weighted

    def join(*tensors: Tensor) -> Tensor:
        outputs, values = tensors[: len(edges)], tensors[len(edges) :]
        joined: Tensor = choices[node](list(map(shuffled, outputs, values)))
        return joined

    # The gradient of an edge's weight needs all channels of the edge, of which only those of the
    # mixture are new: joined again in the backward pass, they do not stay in memory until then.
    outputs = [mixture(first_channels(x, channel_divisor)) for mixture, x in edges]
    value: Tensor = checkpoint(
        join, *outputs, *sources, use_reentrant=False, preserve_rng_state=False
    )
    return value


class StagedEdges(Supernet):
    """Stages of equal cells with a LayerChoice on each edge, keyed as the space's choices.

    The layout is NAS-Bench-201's. The supernet names its modules `stem`,
    `stage_S/cell_C/KEY/OPERATION`, `reduction_S` before each stage but the first, and `classifier`.

    Args:
        supernet: Supernet whose modules are shared, so that training one trains the other.
        edges: For each choice of the space its edge, ordered as in `spaces.cells.edge_cells`.
        edge_weights: Whether the edges of a node are weighted rather than added up.
    """

    def __init__(self, supernet: CellSupernet, edges: Edges, edge_weights: bool = False):
        super().__init__(supernet.space)
        places = supernet.places
        self.channel_divisor = supernet.channel_divisor
        self.edges = tuple(edges)
        targets = [target for _, target in self.edges]
        self.nodes = edge_choices(
            {f"node_{target}": targets.count(target) for target in sorted({*targets})}
            if edge_weights
            else {}
        )
        self.stem = places["stem"]
        self.stages = nn.ModuleList()
        self.reductions = nn.ModuleList()

        # The names of the supernet's modules give the numbers of stages and cells.
        for stage in itertools.count():
            if not _has_places(places, f"stage_{stage}/"):
                break
            if stage:
                self.reductions.append(places[f"reduction_{stage}"])

            cells = nn.ModuleList()
            while _has_places(places, f"stage_{stage}/cell_{len(cells)}/"):
                cell = f"stage_{stage}/cell_{len(cells)}"
                cells.append(
                    nn.ModuleList(
                        edge_choice(places, f"{cell}/{choice.key}", choice.candidates, choice.key)
                        for choice in supernet.space.choices
                    )
                )
            self.stages.append(cells)

        self.classifier = places["classifier"]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage, cells in enumerate(self.stages):
            if stage:
                x = self.reductions[stage - 1](x)
            for cell in cells:  # type: ignore[attr-defined]
                x = self._run_cell(cell, x)

        result: Tensor = self.classifier(x)
        return result

    def _run_cell(self, choices: Sequence[nn.Module], x: Tensor) -> Tensor:
        nodes = [x]
        for node in range(1, self.edges[-1][1] + 1):
            edges = [
                (choice, nodes[source])
                for (source, target), choice in zip(self.edges, choices, strict=True)
                if target == node
            ]
            mixtures, sources = zip(*edges, strict=True)
            nodes.append(
                node_value(self.nodes, f"node_{node}", mixtures, sources, self.channel_divisor)
            )

        return nodes[-1]

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        column = {choice.key: index for index, choice in enumerate(self.space.choices)}
        for module in self.modules():
            if isinstance(module, LayerChoice):
                module.activate(int(codes[column[module.key]]))

    def path(self) -> list[nn.Module]:
        """Return the modules that the active architecture executes, in order."""
        modules: list[nn.Module] = [self.stem]
        for stage, cells in enumerate(self.stages):
            if stage:
                modules.append(self.reductions[stage - 1])
            modules += [edge[edge.decided()] for cell in cells for edge in cell]  # type: ignore[attr-defined]
        return [*modules, self.classifier]


def _has_places(places: nn.ModuleDict, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in places)
