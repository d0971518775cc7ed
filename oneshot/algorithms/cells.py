"""Spaces of cells as models whose edges are LayerChoices, shared by all cells of a kind.

The supernets of these spaces run one architecture by its plan; algorithms that mix or draw candidates want modules.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from spaces.architecture import Architecture
from spaces.cells.darts import CELLS, INPUTS, NODES, SLOTS
from spaces.cells.darts import OPERATIONS as DARTS
from spaces.cells.nasbench201 import EDGES, OPERATIONS
from spaces.cells.space import CellSpace
from spaces.modules.blocks import build
from spaces.modules.choices import LayerChoice
from spaces.modules.mutable import Mutable
from spaces.modules.network import materialise
from spaces.modules.supernet import Supernet
from spaces.zoo.darts import DartsSpace
from spaces.zoo.nasbench201 import NasBench201Space

if TYPE_CHECKING:
    from spaces.space import SearchSpace


def searchable(
    space: SearchSpace, num_classes: int | None = None, generator: torch.Generator | None = None
) -> nn.Module:
    """The model of a space that mutators bind to: its supernet where that has choices, else one of edges.

    Args:
        space: any.
        num_classes: of the classifier (None: the space's own).
        generator: of the weights (default: seed 0).

    Raises:
        InvalidOption: neither is there.
    """
    if isinstance(space, NasBench201Space):
        return materialise(lambda: NasBench201Edges(space, num_classes), space.initialiser(), generator)
    if isinstance(space, DartsSpace):
        return materialise(lambda: DartsEdges(space, num_classes), space.initialiser(), generator)
    supernet = space.supernet(num_classes, generator)
    if not any(isinstance(module, Mutable) for module in supernet.modules()):
        raise InvalidOption(f"space: the supernet of {space.name} has no LayerChoice or other mutable to search")
    return supernet


def derived(
    space: SearchSpace, model: nn.Module, codes: Mapping[str, int], probabilities: Mapping[str, Tensor]
) -> Architecture:
    """The architecture of a space that a search over `searchable(space)` found.

    Args:
        space: that was searched.
        model: that was searched.
        codes: key -> code, as of `ArchitectureTask.codes`.
        probabilities: key -> probabilities [candidates]; only the space of DARTS needs them.
    """
    if isinstance(model, DartsEdges):
        return model.derived(probabilities)
    return space.architecture({choice.key: choice.candidates[codes[choice.key]] for choice in space.choices})


class Zero(nn.Module):
    """Zeros of the input's shape, or of every so-manieth pixel of it.

    Args:
        stride: between pixels.
    """

    def __init__(self, stride: int = 1):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride])


class _Places:
    """The modules of a space's places, each built once and given out."""

    def __init__(self, space: CellSpace, num_classes: int | None):
        self.blocks = space.places(num_classes)

    def __contains__(self, place: str) -> bool:
        return place in self.blocks

    def take(self, place: str) -> nn.Module:
        """The module of a place, its batch normalisation without learned scale and shift."""
        return build(self.blocks[place], affine=False)

    def edge(self, place: str, operations: Sequence[str], key: str, stride: int = 1) -> LayerChoice:
        """The operations at a place; those that have no block there pass their input, or zeros."""
        candidates = {
            name: self.take(f"{place}/{name}")
            if f"{place}/{name}" in self
            else (Zero(stride) if name == "none" else nn.Identity())
            for name in operations
        }
        return LayerChoice(candidates, key)


class NasBench201Edges(Supernet):
    """NAS-Bench-201 with a LayerChoice on each edge of each cell, keyed as the space's choices.

    Args:
        space: of NAS-Bench-201.
        num_classes: of the classifier (None: the space's own).
    """

    space: NasBench201Space

    def __init__(self, space: NasBench201Space, num_classes: int | None = None):
        super().__init__(space)
        places = _Places(space, num_classes)
        self.stem = places.take("stem")
        self.stages = nn.ModuleList()
        self.reductions = nn.ModuleList()
        for stage in itertools.count():
            if f"stage_{stage}/cell_0/edge_0_1/{OPERATIONS[2]}" not in places:
                break
            if stage:
                self.reductions.append(places.take(f"reduction_{stage}"))
            cells = nn.ModuleList()
            while f"stage_{stage}/cell_{len(cells)}/edge_0_1/{OPERATIONS[2]}" in places:
                at = f"stage_{stage}/cell_{len(cells)}"
                keys = [choice.key for choice in space.choices]
                cells.append(nn.ModuleList(places.edge(f"{at}/{key}", OPERATIONS, key) for key in keys))
            self.stages.append(cells)
        self.classifier = places.take("classifier")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage, cells in enumerate(self.stages):
            if stage:
                x = self.reductions[stage - 1](x)
            for cell in cells:  # type: ignore[attr-defined]
                x = _nasbench201_cell(cell, x)
        result: Tensor = self.classifier(x)
        return result

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        for module in self.modules():
            if isinstance(module, LayerChoice):
                column = [choice.key for choice in self.space.choices].index(module.key)
                module.activate(int(codes[column]))

    def path(self) -> list[nn.Module]:
        """The modules that the active architecture executes, in order."""
        found: list[nn.Module] = [self.stem]
        for stage, cells in enumerate(self.stages):
            if stage:
                found.append(self.reductions[stage - 1])
            found += [edge[edge.decided()] for cell in cells for edge in cell]  # type: ignore[attr-defined]
        return [*found, self.classifier]


def _nasbench201_cell(edges: Sequence[nn.Module], x: Tensor) -> Tensor:
    nodes = [x]
    for target in (1, 2, 3):
        terms = [edge(nodes[source]) for (source, to), edge in zip(EDGES, edges, strict=True) if to == target]
        nodes.append(sum(terms[1:], terms[0]))
    return nodes[-1]


class DartsEdges(nn.Module):
    """The space of DARTS relaxed as in the paper: every node reads all earlier ones, a LayerChoice on each edge.

    Edges are keyed `normal_NODE_INPUT` and `reduce_NODE_INPUT`; all cells of a kind share them.

    Args:
        space: of DARTS.
        num_classes: of the classifier (None: the space's own).
    """

    def __init__(self, space: DartsSpace, num_classes: int | None = None):
        super().__init__()
        self.space = space
        places = _Places(space, num_classes)
        self.stems = nn.ModuleList()
        while f"stem_{len(self.stems)}" in places:
            self.stems.append(places.take(f"stem_{len(self.stems)}"))
        self.preprocess = nn.ModuleList()
        self.cells = nn.ModuleList()
        while f"cell_{len(self.cells)}/preprocess_0" in places:
            at = f"cell_{len(self.cells)}"
            # Only where it halves the image a skip connection computes something.
            reduces = f"{at}/node_0/input_0/skip_connect" in places
            kind = CELLS[int(reduces)]
            self.preprocess.append(nn.ModuleList(places.take(f"{at}/preprocess_{side}") for side in range(2)))
            self.cells.append(
                nn.ModuleList(
                    places.edge(
                        f"{at}/node_{node}/input_{source}",
                        DARTS,
                        f"{kind}_{node}_{source}",
                        2 if reduces and source < 2 else 1,
                    )
                    for node in range(NODES)
                    for source in range(node + 2)
                )
            )
        self.classifier = places.take("classifier")

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for stem in self.stems:
            outputs.append(stem(outputs[-1]))
        before, last = outputs[-2:] if len(self.stems) > 1 else (outputs[-1], outputs[-1])
        for sides, edges in zip(self.preprocess, self.cells, strict=True):
            values = [sides[0](before), sides[1](last)]  # type: ignore[index]
            rest = iter(edges)  # type: ignore[arg-type]
            for node in range(NODES):
                terms = [next(rest)(values[source]) for source in range(node + 2)]
                values.append(sum(terms[1:], terms[0]))
            before, last = last, torch.cat(values[2:], 1)
        result: Tensor = self.classifier(last)
        return result

    def derived(self, probabilities: Mapping[str, Tensor]) -> Architecture:
        """The paper's reading of a search (section 2.4): of each node the two inputs with the best operation.

        An edge is as good as its most probable operation other than `none`; of equal ones the first.

        Args:
            probabilities: key -> probabilities [operations].
        """
        choices: dict[str, str] = {}
        none = DARTS.index("none")
        for kind, node in itertools.product(CELLS, range(NODES)):
            rows = np.stack(
                [probabilities[f"{kind}_{node}_{source}"].detach().cpu().double().numpy() for source in range(node + 2)]
            )
            rows[:, none] = -1.0
            taken = sorted(np.argsort(-rows.max(1), kind="stable")[:SLOTS].tolist())
            assert tuple(taken) in INPUTS[node]
            choices[f"{kind}_{node}_inputs"] = "+".join(map(str, taken))
            for slot, source in enumerate(taken):
                choices[f"{kind}_{node}_op_{slot}"] = DARTS[int(rows[source].argmax())]
        return self.space.architecture(choices)
