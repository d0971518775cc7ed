"""The supernet of DARTS as the paper relaxes it, and how an architecture is read from it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spaces.cells.darts import CELLS, INPUTS, NODES, OPERATIONS, SLOTS
from spaces.modules.edge_choices import edge_choice

if TYPE_CHECKING:
    from spaces.modules.cells import CellSupernet


class DartsEdges(nn.Module):
    """DARTS relaxed: each node reads all earlier ones, with a LayerChoice on each edge.

    Edges are keyed `normal_NODE_INPUT` and `reduce_NODE_INPUT`; all cells of a kind share them
    (Liu et al., ICLR 2019, arXiv 1806.09055, section 2.2).

    `auxiliary_tap` passes the features that an auxiliary classifier may read.

    Args:
        supernet: Supernet of DARTS whose modules are shared.
    """

    def __init__(self, supernet: CellSupernet):
        super().__init__()
        places = supernet.places
        self.stems = nn.ModuleList()
        while f"stem_{len(self.stems)}" in places:
            self.stems.append(places[f"stem_{len(self.stems)}"])

        self.preprocess = nn.ModuleList()
        self.cells = nn.ModuleList()

        while f"cell_{len(self.cells)}/preprocess_0" in places:
            cell = f"cell_{len(self.cells)}"

            # A skip connection has weights only where it halves the image.
            reduces = f"{cell}/node_0/input_0/skip_connect" in places
            kind = CELLS[int(reduces)]
            self.preprocess.append(
                nn.ModuleList(places[f"{cell}/preprocess_{side}"] for side in range(2))
            )
            self.cells.append(
                nn.ModuleList(
                    edge_choice(
                        places,
                        f"{cell}/node_{node}/input_{source}",
                        OPERATIONS,
                        f"{kind}_{node}_{source}",
                        2 if reduces and source < 2 else 1,
                    )
                    for node in range(NODES)
                    for source in range(node + 2)
                )
            )

        self.classifier = places["classifier"]
        self.auxiliary_tap = nn.Identity()
        self._tapped = self._auxiliary_index(places)

    def _auxiliary_index(self, places: nn.ModuleDict) -> int:
        """Return the index of the cell after the last one that halves the image, if there is one.

        There the release of ENAS reads its auxiliary head (melodyguan/enas,
        src/cifar10/micro_child.py).
        """
        count = len(self.cells)
        reducing = [
            index for index in range(count) if f"cell_{index}/node_0/input_0/skip_connect" in places
        ]
        return min(reducing[-1] + 1, count - 1)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for stem in self.stems:
            outputs.append(stem(outputs[-1]))

        # With a single stem the first cell reads its output twice.
        previous, last = outputs[-2:] if len(self.stems) > 1 else (outputs[-1], outputs[-1])

        for index, (sides, choices) in enumerate(zip(self.preprocess, self.cells, strict=True)):
            values = [sides[0](previous), sides[1](last)]  # type: ignore[index]
            remaining = iter(choices.children())
            for node in range(NODES):
                terms = [next(remaining)(values[source]) for source in range(node + 2)]
                values.append(sum(terms[1:], terms[0]))
            previous, last = last, torch.cat(values[2:], 1)
            # A module, so that an algorithm may record its output.
            if index == self._tapped:
                last = self.auxiliary_tap(last)

        result: Tensor = self.classifier(last)

        return result


def derive_choices(probabilities: Mapping[str, Tensor]) -> dict[str, str]:
    """Read an architecture from the edges, as section 2.4 of the paper does.

    Each node keeps the two inputs whose best operation other than `none` is most probable; of equal
    ones the first.

    Args:
        probabilities: Key of an edge -> probabilities [operations].

    Returns:
        Choice of the space -> candidate.
    """
    choices: dict[str, str] = {}
    none = OPERATIONS.index("none")
    for kind, node in itertools.product(CELLS, range(NODES)):
        rows = np.stack(
            [
                probabilities[f"{kind}_{node}_{source}"].detach().cpu().double().numpy()
                for source in range(node + 2)
            ]
        )

        # Below every probability, so that `none` never wins.
        rows[:, none] = -1.0

        # Stable: among equal edges the first one wins.
        inputs = sorted(np.argsort(-rows.max(1), kind="stable")[:SLOTS].tolist())
        assert tuple(inputs) in INPUTS[node]
        choices[f"{kind}_{node}_inputs"] = "+".join(map(str, inputs))
        for slot, source in enumerate(inputs):
            choices[f"{kind}_{node}_op_{slot}"] = OPERATIONS[int(rows[source].argmax())]

    return choices
