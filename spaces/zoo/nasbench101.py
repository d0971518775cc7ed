"""NAS-Bench-101: cells of up to 7 vertices and 9 edges (Ying et al., ICML 2019, arXiv 1902.09635).

Parameters equal those of the benchmark for 97% of its cells and are within 1.4% for the others:
where the output's channels do not divide evenly, the first vertices get one more, and the benchmark
recorded another labelling of these graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.cells.graph_hash import graph_hashes as graph_hashes
from spaces.cells.nasbench101 import (
    EDGES,
    INNER,
    MOST_EDGES,
    OPERATIONS,
    Cells,
    all_cells,
    cells_at,
    count_cells,
)
from spaces.cells.nasbench101_network import MOST_SHARERS
from spaces.cells.stacked_modules import StackedModules
from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.registry import register_space
from spaces.space import Codes, SearchSpace


class NasBench101Space(StackedModules):
    """Cells of up to 7 vertices and 9 edges, in stacks of equal ones.

    A code is valid if at most 9 edges connect input and output once the vertices on no path between
    them are removed. Its canonical form has the remaining vertices first, in their order.
    Isomorphic cells remain different architectures; see `graph_hashes`. Sampling is uniform over
    canonical forms; sampling bits until they are valid, as the paper's random search does, yields
    mostly small cells.

    Args:
        name: Canonical name.
        input_size: Side of an image in pixels.
        stem_channels: Number of channels of the first stack.
        stacks: Number of stacks.
        modules: Number of modules per stack.
        num_classes: Number of classes that costs are counted with.
    """

    def __init__(
        self,
        name: str,
        input_size: int,
        stem_channels: int,
        stacks: int,
        modules: int,
        num_classes: int,
    ):
        bits = [Choice(f"edge_{source}_{target}", ("0", "1")) for source, target in EDGES]
        vertices = [Choice(f"op_{vertex}", OPERATIONS) for vertex in range(1, INNER + 1)]
        choices = [*bits, *vertices]
        super().__init__(name, choices, input_size, stem_channels, stacks, modules, num_classes)

    def module_codes(self, codes: Codes) -> Codes:
        """Return `codes` [n, 26], which are those of modules."""
        return codes

    @property
    def size(self) -> int:
        """Number of valid codes in canonical form."""
        return count_cells()

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows are connected cells of at most 9 edges, bool array [n]."""
        return Cells.from_codes(codes).valid()

    def why_invalid(self, codes: NDArray[Any]) -> str:
        """Explain that the cell is not connected, or that it has too many edges."""
        cells = Cells.from_codes(codes[None])
        if not cells.live[0, 0]:
            return (
                f"{self.name}: no path of edges leads from the input to the output (edge_0_6 would"
                " be the shortest)"
            )

        return f"{self.name}: a cell has at most {MOST_EDGES} edges, not {cells.edges()[0]}"

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, 26] with live vertices first, and 0 where there is no vertex."""
        return Cells.from_codes(codes).codes()

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        return cells_at(rng.integers(self.size, size=n))

    def enumerate_codes(self, batch: int = 1 << 16) -> Iterator[Codes]:
        """Yield all architectures as codes [at most batch, 26], in ascending order."""
        return all_cells(batch)


@register_space("nasbench101")
def nasbench101(
    name: str,
    /,
    *,
    input_size: int = 32,
    stem_channels: int = 128,
    stacks: int = 3,
    modules: int = 3,
    num_classes: int = 10,
) -> SearchSpace:
    """Build the benchmark's space, with `stacks` of `modules` each."""
    check_sizes(name, input_size, stem_channels, stacks)
    return NasBench101Space(name, input_size, stem_channels, stacks, modules, num_classes)


def check_sizes(name: str, input_size: int, stem_channels: int, stacks: int) -> None:
    """Raise InvalidParameter where modules have too few channels, or stacks no whole pixels."""
    if stem_channels < MOST_SHARERS:
        raise InvalidParameter(
            f"{name}: up to {MOST_SHARERS} vertices share the channels; stem_channels is"
            f" {stem_channels}"
        )

    if input_size % (1 << stacks - 1):
        raise InvalidParameter(
            f"{name}: input_size is halved {stacks - 1} times, so it must be a multiple of"
            f" {1 << stacks - 1}, not {input_size}"
        )


def _cell(edges: str, operations: str) -> dict[str, str]:
    pairs = {tuple(map(int, edge)) for edge in edges.split()}
    bits = {
        f"edge_{source}_{target}": str(int((source, target) in pairs)) for source, target in EDGES
    }
    return {
        **bits,
        **{f"op_{vertex}": OPERATIONS[int(code)] for vertex, code in enumerate(operations, 1)},
    }


PUBLISHED = {
    "nasbench101-inception": ("nasbench101", _cell("01 02 03 05 16 26 34 46 56", "10002")),
}
"""The Inception-like cell of the release's introduction, as name -> (space, choices)."""
