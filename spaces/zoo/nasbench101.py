"""NAS-Bench-101: cells of up to 7 vertices and 9 edges (Ying et al., ICML 2019, arXiv 1902.09635).

Parameters equal those of the benchmark for 97% of its cells and are within 1.4% for the others:
where the output's channels do not divide evenly, the first vertices get one more, and the benchmark
recorded another labelling of these graphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.cells.graph_hash import graph_hashes as graph_hashes
from spaces.cells.nasbench101 import (
    EDGES,
    INNER,
    MOST_EDGES,
    OPERATIONS,
    VERTICES,
    Cells,
    all_cells,
    cells_at,
    count_cells,
)
from spaces.cells.nasbench101_network import MOST_SHARERS, Skeleton
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.registry import register_space
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch

    from spaces.drawing.sketch import Sketch
    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet

OUTPUT = "output"
"""The label of a cell's output in graphs."""


class NasBench101Space(CellSpace):
    """Stacks of equal modules; between stacks the image is halved and the channels double.

    A code is valid if at most 9 edges connect input and output once the vertices on no path between
    them are removed. Its canonical form has the remaining vertices first, in their order.
    Isomorphic cells remain different architectures; see `graph_hashes`. Sampling is uniform over
    canonical forms; sampling bits until they are valid, as the paper's random search does, yields
    mostly small cells. In the supernet an operation of a vertex has the weights of its largest
    width, of which narrower cells use the first channels.

    Args:
        name: Canonical name.
        input_size: Side of an image in pixels.
        stem_channels: Number of channels of the first stack.
        stacks: Number of stacks.
        modules: Number of modules per stack.
        num_classes: Number of classes that costs are counted with.
    """

    irregular = True

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
        super().__init__(name, [*bits, *vertices], (3, input_size, input_size), num_classes)
        self._skeleton = Skeleton(self.input_shape, stem_channels, stacks, modules)

    # Architectures

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

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return the benchmark's graph hash of each cell, bytes array [n, 1]."""
        from spaces.cells.graph_hash import graph_hashes

        return np.array(graph_hashes(codes), dtype="S32")[:, None]

    # Blocks

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of the network of `codes` [26]."""
        return self._skeleton.plan(codes, num_classes or self.num_classes)

    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the widest block of every module of the supernet by name."""
        return self._skeleton.places(num_classes or self.num_classes)

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        return self._skeleton.all_blocks(self.num_classes)

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        keys = list(self.all_blocks)
        return keys, self._skeleton.counts(codes, keys, self.num_classes)

    # Networks and graphs

    def initialiser(self) -> Initialiser:
        """Return the initialisation of the release."""
        from spaces.modules.initialisers import tensorflow_initialiser

        return tensorflow_initialiser

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the network with the weights of every candidate, at its largest width.

        Args:
            num_classes: Number of classes of the classifier. None: the space's.
            generator: Source of the initial weights. None: a new one with seed 0.
        """
        from spaces.modules.elastic import ElasticCellSupernet
        from spaces.modules.network import materialise

        return materialise(
            lambda: ElasticCellSupernet(self, num_classes), self.initialiser(), generator
        )

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture: its module."""
        from spaces.drawing.cells import nasbench101_sketch

        return nasbench101_sketch(
            self.name, self.encode([architecture])[0], self._skeleton.channels
        )

    @property
    def operations(self) -> list[str]:
        """Names of the operations of a vertex, and the cell's output."""
        return [*OPERATIONS, OUTPUT]

    @property
    def positions(self) -> int:
        """Number of inner vertices, plus one for the output."""
        return VERTICES - 1

    def _graphs(self, codes: Codes) -> Batch:
        from spaces.graphs.graph import dense_graphs

        cells = Cells.from_codes(codes)
        operation = np.zeros((len(codes), VERTICES), dtype=np.int64)
        # Vertices on no path from input to output are absent.
        operation[:, 1:-1] = np.where(
            cells.live[:, 1:-1], cells.operations.astype(np.int64) + 1, -1
        )
        operation[:, -1] = len(self.operations)

        return dense_graphs(operation, np.arange(VERTICES), cells.adjacency)


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

    return NasBench101Space(name, input_size, stem_channels, stacks, modules, num_classes)


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
