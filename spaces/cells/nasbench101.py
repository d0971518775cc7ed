"""Cells of NAS-Bench-101 as arrays: pruning, validity, canonical form and channels.

A cell is a directed graph of up to 7 vertices, of which 0 is the input and 6 the output. Its codes
are the 21 bits of the upper triangle of the adjacency matrix, row by row, and the operations of the
five inner vertices. Ying et al., ICML 2019 (arXiv 1902.09635).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The candidates of an inner vertex, in the order of the benchmark."""

# Most vertices of a cell, input and output included.
VERTICES = 7
INNER = VERTICES - 2

# The benchmark trained cells of at most nine edges.
MOST_EDGES = 9
EDGES = tuple(
    (source, target) for source in range(VERTICES) for target in range(source + 1, VERTICES)
)
"""Edges (source, target) of the bits, in the order of the codes."""

_SOURCES, _TARGETS = (np.array(ends) for ends in zip(*EDGES, strict=True))


@dataclass(frozen=True)
class Cells:
    """Many cells; vertices that are not on a path from input to output have no edges.

    Args:
        adjacency: Bool array [n, 7, 7], true where the first vertex leads to the second.
        operations: Operations of the inner vertices, int array [n, 5].
        live: Whether each vertex is on a path from input to output, bool array [n, 7].
    """

    adjacency: NDArray[np.bool_]
    operations: NDArray[Any]
    live: NDArray[np.bool_]

    @classmethod
    def from_codes(cls, codes: NDArray[Any]) -> Cells:
        """Prune the cells of `codes`, int array [n, 26]."""
        adjacency = np.zeros((len(codes), VERTICES, VERTICES), dtype=bool)
        adjacency[:, _SOURCES, _TARGETS] = codes[:, : len(EDGES)] != 0
        live = _live(adjacency)
        # Edges of other vertices compute nothing.
        adjacency &= live[:, :, None] & live[:, None, :]
        return cls(adjacency, codes[:, len(EDGES) :], live)

    def valid(self) -> NDArray[np.bool_]:
        """Return which cells connect input and output by at most 9 edges, bool array [n]."""
        return self.live[:, 0] & (self.edges() <= MOST_EDGES)

    def edges(self) -> NDArray[np.int64]:
        """Return the number of edges of each cell, int array [n]."""
        edges: NDArray[np.int64] = self.adjacency.sum((1, 2))
        return edges

    def codes(self) -> NDArray[Any]:
        """Return the canonical codes [n, 26].

        Live inner vertices come first, in their order; absent ones have operation 0.
        """
        inner = self.live[:, 1:-1]
        # A stable sort keeps the order of the live vertices.
        order = np.argsort(~inner, axis=1, kind="stable")
        vertices = np.zeros((len(inner), VERTICES), dtype=np.int64)
        vertices[:, 1:-1] = order + 1
        vertices[:, -1] = VERTICES - 1
        rows = np.take_along_axis(self.adjacency, vertices[:, :, None], 1)
        reordered = np.take_along_axis(rows, vertices[:, None, :], 2)

        codes = np.empty((len(inner), len(EDGES) + INNER), dtype=self.operations.dtype, order="F")
        codes[:, : len(EDGES)] = reordered[:, _SOURCES, _TARGETS]
        codes[:, len(EDGES) :] = np.take_along_axis(np.where(inner, self.operations, 0), order, 1)

        return codes

    def channels(self, outputs: int) -> NDArray[np.int64]:
        """Return the channels of each vertex in a module, int array [n, 7].

        The output's channels are divided among the vertices that lead to it, with one more for the
        first ones where they do not divide evenly. Any other vertex has the most channels of the
        vertices that it leads to. Absent vertices and the input have 0.

        Args:
            outputs: Number of channels of the module's output.
        """
        channels = np.zeros(self.live.shape, dtype=np.int64)
        channels[:, -1] = outputs
        direct = self.adjacency[:, :, -1].copy()
        # The input is projected to all channels and added.
        direct[:, 0] = False
        num_direct = np.maximum(direct.sum(1), 1)[:, None]
        one_more = np.cumsum(direct, axis=1) <= outputs % num_direct
        divided = np.where(direct, outputs // num_direct + one_more, 0)

        # Backwards, so that the vertices that one leads to are known.
        for vertex in range(INNER, 0, -1):
            widest = np.where(self.adjacency[:, vertex, :-1], channels[:, :-1], 0).max(1)
            channels[:, vertex] = np.where(direct[:, vertex], divided[:, vertex], widest)

        return channels


def _live(adjacency: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the vertices on a path from input to output, bool array [n, 7]."""
    # Forward from the input. Edges lead to later vertices, so that one sweep is enough.
    reached = np.zeros(adjacency.shape[:2], dtype=bool)
    reached[:, 0] = True
    for vertex in range(1, VERTICES):
        reached[:, vertex] = (adjacency[:, :vertex, vertex] & reached[:, :vertex]).any(1)

    # Backward from the output, likewise.
    reaching = np.zeros_like(reached)
    reaching[:, -1] = True

    for vertex in range(VERTICES - 2, -1, -1):
        reaching[:, vertex] = (adjacency[:, vertex, vertex + 1 :] & reaching[:, vertex + 1 :]).any(
            1
        )

    return reached & reaching


@functools.cache
def canonical_matrices() -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Enumerate the canonical pruned adjacency matrices, in the order of the codes.

    Returns:
        The 21 bits of each matrix with the first edge as the highest bit, int array [m], and its
        number of inner vertices, int array [m].
    """
    bits = np.arange(1 << len(EDGES), dtype=np.int32)
    num_edges = sum((bits >> index & 1 for index in range(len(EDGES))), start=np.zeros_like(bits))
    bits = bits[num_edges <= MOST_EDGES]

    # Whether a matrix has edges out of, and into, each vertex.
    leaves = [bits & _mask(source=vertex) != 0 for vertex in range(VERTICES)]
    enters = [bits & _mask(target=vertex) != 0 for vertex in range(VERTICES)]
    canonical = leaves[0] & enters[-1]

    for vertex in range(1, VERTICES - 1):
        # Without cycles, a vertex with edges in and out is on a path from input to output.
        canonical &= leaves[vertex] == enters[vertex]
        # Live vertices come first.
        if vertex > 1:
            canonical &= leaves[vertex - 1] | ~leaves[vertex]

    inner = sum(
        (leaves[vertex].astype(np.int64) for vertex in range(1, VERTICES - 1)),
        start=np.zeros(len(bits), int),
    )

    return bits[canonical], inner[canonical]


def _mask(source: int | None = None, target: int | None = None) -> int:
    """Return the bits of the edges from a source or to a target."""
    last = len(EDGES) - 1
    return sum(
        1 << last - index for index, (s, t) in enumerate(EDGES) if s == source or t == target
    )


def count_cells() -> int:
    """Return the number of canonical cells."""
    return int(_cumulative_counts()[-1])


def cells_at(index: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the codes of canonical cells by their index in ascending order.

    Args:
        index: Int array [n].

    Returns:
        Codes [n, 26].
    """
    matrices, inner = canonical_matrices()
    row = np.searchsorted(_cumulative_counts(), index, side="right")
    matrix = matrices[row]
    num_inner = inner[row]

    # The index within the matrix's cells has the operations as digits.
    number = index - _cumulative_counts()[row] + len(OPERATIONS) ** num_inner
    codes = np.zeros((len(index), len(EDGES) + INNER), dtype=np.int8, order="F")
    for edge in range(len(EDGES)):
        codes[:, edge] = matrix >> len(EDGES) - 1 - edge & 1

    # The last vertex is the lowest digit.
    for vertex in range(INNER - 1, -1, -1):
        present = vertex < num_inner
        codes[:, len(EDGES) + vertex] = np.where(present, number % len(OPERATIONS), 0)
        number = np.where(present, number // len(OPERATIONS), number)

    return codes


def all_cells(batch: int) -> Iterator[NDArray[np.int8]]:
    """Yield the codes of all canonical cells, [at most batch, 26], in ascending order."""
    for start in range(0, count_cells(), batch):
        yield cells_at(np.arange(start, min(start + batch, count_cells()), dtype=np.int64))


@functools.cache
def _cumulative_counts() -> NDArray[np.int64]:
    """Return for each canonical matrix the number of cells up to its last one."""
    return np.cumsum(len(OPERATIONS) ** canonical_matrices()[1])
