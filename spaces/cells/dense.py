"""Densely joined cells, with an operation on every edge: blocks, wiring and graphs.

The space `dense_rob` of multi-shot NAS (Ning et al., arXiv 2012.11835; walkerning/aw_nas). Cells
have two inputs, the outputs of the two cells before, and four nodes, which are concatenated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.cells.darts import Cell, Skeleton, cell_name
from spaces.cells.darts_design import NODES
from spaces.cells.plan import Plan

if TYPE_CHECKING:
    from torch_geometric.data import Batch

NONE = "none"
SKIP = "skip_connect"
SEPARABLE = "sep_conv_3x3"
RESIDUAL = "res_sep_conv_3x3"

OPERATIONS = (NONE, SKIP, SEPARABLE, RESIDUAL)
"""The candidates of an edge, in the order of the release."""

EDGES = tuple((source, node) for node in range(2, 2 + NODES) for source in range(node))
"""Edges (source, node) in the order of the codes: 0 and 1 are the cells before, 2 the first node.

Those into a node come before those out of it.
"""

OUTPUT = "output"
"""The label of a cell's output in graphs."""

CELLWISE = "cells"
STAGEWISE = "stages"
TOPOLOGIES = (CELLWISE, STAGEWISE)
"""Whether each cell has a topology of its own, or the cells of a stage share one."""


def groups_of(cells: list[Cell], topologies: str) -> tuple[int, ...]:
    """Return the number of each cell's topology.

    The stages are the cells before, between and after the reducing ones, which are one stage
    together: 0, 0, 1, 2, 2, 1, 3, 3 of eight cells.

    Args:
        cells: Cells in their order.
        topologies: `cells` or `stages`.
    """
    if topologies == CELLWISE:
        return tuple(range(len(cells)))

    groups = []
    num_reducing = 0
    for cell in cells:
        num_reducing += cell.reduces
        # Stage 1 is that of the reducing cells; the others have 0, 2 and 3.
        groups.append(1 if cell.reduces else (0, 2, 3)[num_reducing])
    return tuple(groups)


def topology_names(cells: list[Cell], groups: tuple[int, ...]) -> list[str]:
    """Return the names of topologies as aw_nas has them, such as `normal_0` and `reduce_2`."""
    reducing = {group for cell, group in zip(cells, groups, strict=True) if cell.reduces}
    return [
        f"{'reduce' if group in reducing else 'normal'}_{group}" for group in range(max(groups) + 1)
    ]


def edge_key(topology: str, source: int, node: int) -> str:
    """Return the key of an edge's choice.

    Args:
        topology: Name of the topology.
        source: Source of the edge: 0 and 1 are the cells before, 2 the first node.
        node: Node that the edge leads to.
    """
    return f"{topology}_edge_{source}_{node}"


def edge_blocks(cell: Cell, operation: str, source: int) -> dict[str, Block]:
    """Return the blocks whose outputs an operation adds to its node, by the ends of their names.

    A skip connection without a block adds its input. A residual separable convolution adds its
    input to that of its convolutions; where it halves the image, a block reduces the input.

    Args:
        cell: Cell of the edge.
        operation: Operation of the edge.
        source: Source of the edge.
    """
    shape, stride = cell.ends(source)
    reduce = Block("factorized_reduce", shape, cell.shape, stride=2)
    if operation == SKIP and stride == 2:
        return {operation: reduce}
    if operation == SEPARABLE:
        return {operation: Block("sep_conv", shape, cell.shape, 3, stride=stride)}
    if operation == RESIDUAL and stride == 1:
        return {operation: Block("sep_conv", shape, cell.shape, 3, stride=1, shortcut=True)}
    if operation == RESIDUAL:
        convolutions = Block("sep_conv", shape, cell.shape, 3, stride=2)
        return {operation: convolutions, f"{operation}_reduce": reduce}
    return {}


class DenseSkeleton(Skeleton):
    """The networks of densely joined cells: a stem, cells of which two reduce, and a classifier.

    Codes are those of the operations of each cell, int array [cells, edges].
    """

    def append_nodes(
        self, plan: Plan, index: int, codes: NDArray[Any], inputs: list[int]
    ) -> list[int]:
        """Append the nodes of a cell to a plan, and return the numbers of their values."""
        cell = self.cells[index]
        values = list(inputs)
        for target in range(len(inputs), len(inputs) + NODES):
            terms: list[int] = []
            for (source, node), code in zip(EDGES, codes[index], strict=True):
                if node != target:
                    continue

                operation = OPERATIONS[code]
                blocks = edge_blocks(cell, operation, source)
                for name, block in blocks.items():
                    module = _module_name(index, source, node, name)
                    terms.append(plan.apply(module, block, values[source], droppable=True))
                if operation == SKIP and not blocks:
                    terms.append(values[source])
            values.append(plan.add(terms, cell.shape))
        return values[len(inputs) :]

    def operations_of(self, index: int) -> dict[str, Block]:
        """Return the blocks of all operations on all edges of a cell by their modules' names."""
        return {
            _module_name(index, source, node, name): block
            for source, node in EDGES
            for operation in OPERATIONS
            for name, block in edge_blocks(self.cells[index], operation, source).items()
        }


def _module_name(cell: int, source: int, node: int, name: str) -> str:
    return f"{cell_name(cell)}/edge_{source}_{node}/{name}"


def graphs_of_cells(operations: NDArray[Any]) -> Batch:
    """Build graphs with one node for each edge, without edges that carry no information.

    Each topology is a component of its own: two inputs, the edges and an output. See
    `spaces.graphs.graph`.

    Args:
        operations: Operation of each edge, int array [n, topologies, edges].
    """
    from spaces.graphs.graph import dense_graphs

    count, topologies, num_edges = operations.shape
    per_cell = 2 + num_edges + 1
    labels = np.zeros((count, topologies, per_cell), dtype=np.int64)
    labels[:, :, 2:-1] = np.where(_is_filled(operations), operations, -1)
    labels[:, :, -1] = len(OPERATIONS)

    adjacency = np.zeros((topologies, per_cell, topologies, per_cell), dtype=bool)
    positions = np.zeros((topologies, per_cell), dtype=np.int64)
    for topology in range(topologies):
        adjacency[topology, :, topology] = _adjacency()
        first = 1 + topology * (num_edges + 1)
        # All topologies share the positions of their inputs.
        last = topologies * (num_edges + 1) + 1
        positions[topology] = [0, last, *range(first, first + num_edges + 1)]

    nodes = topologies * per_cell
    flat = adjacency.reshape(nodes, nodes)
    return dense_graphs(
        labels.reshape(count, nodes),
        positions.reshape(nodes),
        np.broadcast_to(flat, (count, nodes, nodes)),
    )


def _is_filled(operations: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which edges carry information, bool array of the shape of `operations`."""
    carries: NDArray[np.bool_] = np.asarray(operations) != OPERATIONS.index(NONE)
    filled = np.zeros((*carries.shape[:-1], 2 + NODES), dtype=bool)
    filled[..., :2] = True
    for column, (source, node) in enumerate(EDGES):
        carries[..., column] &= filled[..., source]
        filled[..., node] |= carries[..., column]
    return carries


def _adjacency() -> NDArray[np.bool_]:
    """Return which node of a component leads to which, bool array [2 + edges + 1, same]."""
    adjacency = np.zeros((2 + len(EDGES) + 1,) * 2, dtype=bool)
    for index, (source, _) in enumerate(EDGES, 2):
        if source < 2:
            adjacency[source, index] = True
        for earlier, (_, node) in enumerate(EDGES, 2):
            # An edge reads all edges into its source.
            adjacency[earlier, index] |= node == source

        # The output concatenates all nodes.
        adjacency[index, -1] = True
    return adjacency
