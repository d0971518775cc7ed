"""Spaces of cells as models whose edges are LayerChoices, shared by all cells of a kind.

The supernets of these spaces run one architecture by its plan; algorithms that mix or draw
candidates want modules.
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
from spaces.modules.cells import CellSupernet
from spaces.modules.choices import LayerChoice
from spaces.modules.supernet import Supernet
from spaces.zoo.darts import DartsSpace
from spaces.zoo.nasbench201 import NasBench201Space

if TYPE_CHECKING:
    from oneshot.algorithms.architecture import ArchitectureAlgorithm
    from spaces.space import SearchSpace


def searchable(supernet: nn.Module) -> nn.Module:
    """The model that mutators bind to: one with a LayerChoice on each edge for supernets of cells,
    else itself.

    Its modules are the supernet's own: what is trained is the supernet.

    Args:
        supernet: of a space, or any model.

    Raises:
        InvalidOption: it is a supernet of cells of another kind, which has no choices.
    """
    if isinstance(supernet, CellSupernet):
        if isinstance(supernet.space, NasBench201Space):
            return NasBench201Edges(supernet)
        if isinstance(supernet.space, DartsSpace):
            return DartsEdges(supernet)
        raise InvalidOption(
            f"space: no algorithm searches the cells of {supernet.space.name}; train it with spos"
        )
    return supernet


def told_space(model: nn.Module, space: SearchSpace) -> SearchSpace | None:
    """The space for a `Setting`: None where the model's choices are not the space's own, as the
    edges of DARTS.
    """
    return None if isinstance(model, DartsEdges) else space


def derived(space: SearchSpace, algorithm: ArchitectureAlgorithm) -> Architecture:
    """The architecture of a space that a search over `searchable(space.supernet())` found."""
    if isinstance(algorithm.model, DartsEdges):
        keys = list(algorithm.mutator.groups)
        return algorithm.model.derived(
            dict(zip(keys, algorithm.mutator.probabilities(), strict=True))
        )
    return space.architecture(algorithm.report()["architecture"])


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


def _edge(
    places: nn.ModuleDict, place: str, operations: Sequence[str], key: str, stride: int = 1
) -> LayerChoice:
    """The operations at a place; those that have no module there pass their input, or zeros."""
    candidates: dict[str, nn.Module] = {}
    for name in operations:
        if f"{place}/{name}" in places:
            candidates[name] = places[f"{place}/{name}"]
        else:
            candidates[name] = Zero(stride) if name == "none" else nn.Identity()
    return LayerChoice(candidates, key)


class NasBench201Edges(Supernet):
    """NAS-Bench-201 with a LayerChoice on each edge of each cell, keyed as the space's choices.

    Args:
        supernet: of NAS-Bench-201; its modules are taken over.
    """

    def __init__(self, supernet: CellSupernet):
        super().__init__(supernet.space)
        places, keys = supernet.places, [choice.key for choice in supernet.space.choices]
        self.stem = places["stem"]
        self.stages = nn.ModuleList()
        self.reductions = nn.ModuleList()
        for stage in itertools.count():
            if f"stage_{stage}/cell_0/edge_0_1/{OPERATIONS[2]}" not in places:
                break
            if stage:
                self.reductions.append(places[f"reduction_{stage}"])
            cells = nn.ModuleList()
            while f"stage_{stage}/cell_{len(cells)}/edge_0_1/{OPERATIONS[2]}" in places:
                at = f"stage_{stage}/cell_{len(cells)}"
                cells.append(
                    nn.ModuleList(_edge(places, f"{at}/{key}", OPERATIONS, key) for key in keys)
                )
            self.stages.append(cells)
        self.classifier = places["classifier"]

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
        terms = [
            edge(nodes[source])
            for (source, to), edge in zip(EDGES, edges, strict=True)
            if to == target
        ]
        nodes.append(sum(terms[1:], terms[0]))
    return nodes[-1]


class DartsEdges(nn.Module):
    """The space of DARTS relaxed as in the paper: every node reads all earlier ones, a LayerChoice
    on each edge.

    Edges are keyed `normal_NODE_INPUT` and `reduce_NODE_INPUT`; all cells of a kind share them.

    Args:
        supernet: of DARTS; its modules are taken over.
    """

    def __init__(self, supernet: CellSupernet):
        super().__init__()
        self.space, places = supernet.space, supernet.places
        self.stems = nn.ModuleList()
        while f"stem_{len(self.stems)}" in places:
            self.stems.append(places[f"stem_{len(self.stems)}"])
        self.preprocess = nn.ModuleList()
        self.cells = nn.ModuleList()
        while f"cell_{len(self.cells)}/preprocess_0" in places:
            at = f"cell_{len(self.cells)}"
            # Only where it halves the image a skip connection computes something.
            reduces = f"{at}/node_0/input_0/skip_connect" in places
            kind = CELLS[int(reduces)]
            self.preprocess.append(
                nn.ModuleList(places[f"{at}/preprocess_{side}"] for side in range(2))
            )
            self.cells.append(
                nn.ModuleList(
                    _edge(
                        places,
                        f"{at}/node_{node}/input_{source}",
                        DARTS,
                        f"{kind}_{node}_{source}",
                        2 if reduces and source < 2 else 1,
                    )
                    for node in range(NODES)
                    for source in range(node + 2)
                )
            )
        self.classifier = places["classifier"]

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for stem in self.stems:
            outputs.append(stem(outputs[-1]))
        before, last = outputs[-2:] if len(self.stems) > 1 else (outputs[-1], outputs[-1])
        for sides, edges in zip(self.preprocess, self.cells, strict=True):
            values = [sides[0](before), sides[1](last)]  # type: ignore[index]
            rest = iter(edges.children())
            for node in range(NODES):
                terms = [next(rest)(values[source]) for source in range(node + 2)]
                values.append(sum(terms[1:], terms[0]))
            before, last = last, torch.cat(values[2:], 1)
        result: Tensor = self.classifier(last)
        return result

    def derived(self, probabilities: Mapping[str, Tensor]) -> Architecture:
        """The paper's reading of a search (section 2.4): of each node the two inputs with the best
        operation.

        An edge is as good as its most probable operation other than `none`; of equal ones the
        first.

        Args:
            probabilities: key -> probabilities [operations].
        """
        choices: dict[str, str] = {}
        none = DARTS.index("none")
        for kind, node in itertools.product(CELLS, range(NODES)):
            rows = np.stack(
                [
                    probabilities[f"{kind}_{node}_{source}"].detach().cpu().double().numpy()
                    for source in range(node + 2)
                ]
            )
            rows[:, none] = -1.0
            taken = sorted(np.argsort(-rows.max(1), kind="stable")[:SLOTS].tolist())
            assert tuple(taken) in INPUTS[node]
            choices[f"{kind}_{node}_inputs"] = "+".join(map(str, taken))
            for slot, source in enumerate(taken):
                choices[f"{kind}_{node}_op_{slot}"] = DARTS[int(rows[source].argmax())]
        return self.space.architecture(choices)
