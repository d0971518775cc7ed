"""The supernet of DARTS as the paper relaxes it, and how an architecture is read from it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spaces.cells.darts_design import CELLS, CellDesign
from spaces.modules.edge_choices import edge_choice, edge_choices, node_value

if TYPE_CHECKING:
    from spaces.cells.darts import Skeleton
    from spaces.modules.cells import CellSupernet


class DartsEdges(nn.Module):
    """DARTS relaxed: each node reads all earlier ones, with a LayerChoice on each edge.

    Edges are keyed `normal_NODE_INPUT` and `reduce_NODE_INPUT`; all cells of a kind share them
    (Liu et al., ICLR 2019, arXiv 1806.09055, section 2.2).

    `auxiliary_tap` passes the features that an auxiliary classifier may read. With edge weights an
    InputChoice for each node, keyed `normal_NODE_edges`, weights its edges (PC-DARTS, arXiv
    1907.05737, section 3.3).

    Args:
        supernet: Supernet of DARTS whose modules are shared.
        skeleton: Cells of the supernet.
        edge_weights: Whether the edges of a node are weighted rather than added up.
    """

    def __init__(self, supernet: CellSupernet, skeleton: Skeleton, edge_weights: bool = False):
        super().__init__()
        design = skeleton.design
        self.nodes = design.nodes
        self.channel_divisor = supernet.channel_divisor
        self.kinds = [CELLS[int(cell.reduces)] for cell in skeleton.cells]
        places = supernet.places
        self.stems = nn.ModuleList()
        while f"stem_{len(self.stems)}" in places:
            self.stems.append(places[f"stem_{len(self.stems)}"])

        self.preprocess = nn.ModuleList()
        self.cells = nn.ModuleList()

        for index, cell in enumerate(skeleton.cells):
            prefix = f"cell_{index}"
            self.preprocess.append(
                nn.ModuleList(places[f"{prefix}/preprocess_{side}"] for side in range(2))
            )
            self.cells.append(
                nn.ModuleList(
                    edge_choice(
                        places,
                        f"{prefix}/node_{node}/input_{source}",
                        design.operations,
                        f"{self.kinds[index]}_{node}_{source}",
                        2 if cell.reduces and source < 2 else 1,
                    )
                    for node in range(design.nodes)
                    for source in range(node + 2)
                )
            )

        self.edges = edge_choices(
            {f"{kind}_{node}": node + 2 for kind in CELLS for node in range(design.nodes)}
            if edge_weights
            else {}
        )
        self.classifier = places["classifier"]
        self.auxiliary_tap = nn.Identity()
        # The release of ENAS reads its auxiliary head there (melodyguan/enas,
        # src/cifar10/micro_child.py): after the last cell that halves the image, if there is one.
        self._tapped = min(skeleton.reductions[-1] + 1, len(self.cells) - 1)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for stem in self.stems:
            outputs.append(stem(outputs[-1]))

        # With a single stem the first cell reads its output twice.
        previous, last = outputs[-2:] if len(self.stems) > 1 else (outputs[-1], outputs[-1])

        for index, (sides, choices) in enumerate(zip(self.preprocess, self.cells, strict=True)):
            values = [sides[0](previous), sides[1](last)]  # type: ignore[index]
            remaining = iter(choices.children())
            for node in range(self.nodes):
                mixtures = [next(remaining) for _ in values]
                key = f"{self.kinds[index]}_{node}"
                values.append(node_value(self.edges, key, mixtures, values, self.channel_divisor))
            previous, last = last, torch.cat(values[2:], 1)
            # A module, so that an algorithm may record its output.
            if index == self._tapped:
                last = self.auxiliary_tap(last)

        result: Tensor = self.classifier(last)

        return result


def derive_choices(probabilities: Mapping[str, Tensor], design: CellDesign) -> dict[str, str]:
    """Read an architecture from the edges, as section 2.4 of the paper does.

    Each node keeps the inputs, two in the paper, whose best operation other than `none` is most
    probable; of equal ones the first.

    Args:
        probabilities: Key of an edge -> probabilities [operations]; where there are edge weights,
            `normal_NODE_edges` -> probabilities [inputs].
        design: Operations and nodes of the cells.

    Returns:
        Choice of the space -> candidate.
    """
    choices: dict[str, str] = {}
    for kind, node in itertools.product(CELLS, range(design.nodes)):
        rows = np.stack(
            [
                probabilities[f"{kind}_{node}_{source}"].detach().cpu().double().numpy()
                for source in range(node + 2)
            ]
        )

        # Edge normalisation weighs whole edges, as the release of PC-DARTS reads them.
        weights = probabilities.get(f"{kind}_{node}_edges")
        if weights is not None:
            rows *= weights.detach().cpu().double().numpy()[:, None]

        # Below every probability, so that `none` never wins.
        if design.none_code is not None:
            rows[:, design.none_code] = -1.0

        # Stable: among equal edges the first one wins.
        inputs = sorted(np.argsort(-rows.max(1), kind="stable")[: design.slots(node)].tolist())
        choices[f"{kind}_{node}_inputs"] = "+".join(map(str, inputs))
        for slot, source in enumerate(inputs):
            choices[f"{kind}_{node}_op_{slot}"] = design.operations[int(rows[source].argmax())]

    return choices
