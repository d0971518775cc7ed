"""Cells of NAS-Bench-101 as arrays: pruning, validity, one spelling each, channels (Ying et al.,
ICML 2019).

A cell is a directed graph of up to 7 vertices, 0 the input and 6 the output; codes are the 21 bits
of the upper triangle of its adjacency matrix, row by row, and the operations of the five inner
vertices. arXiv 1902.09635.
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

VERTICES, MOST_EDGES = 7, 9
INNER = VERTICES - 2
EDGES = tuple(
    (source, target) for source in range(VERTICES) for target in range(source + 1, VERTICES)
)
"""(source, target) of the bits, in the order of the codes."""

_SOURCES, _TARGETS = (np.array(ends) for ends in zip(*EDGES, strict=True))


@dataclass(frozen=True)
class Cells:
    """Many cells; vertices that are not on a path from input to output have no edges.

    Args:
        adjacency: bool array [n, 7, 7], true where an edge leads from the second index to the
            third.
        operations: int array [n, 5] of the inner vertices.
        live: bool array [n, 7], vertices on a path from input to output.
    """

    adjacency: NDArray[np.bool_]
    operations: NDArray[Any]
    live: NDArray[np.bool_]

    @classmethod
    def from_codes(cls, codes: NDArray[Any]) -> Cells:
        """The pruned cells of `codes`, int array [n, 26]."""
        adjacency = np.zeros((len(codes), VERTICES, VERTICES), dtype=bool)
        adjacency[:, _SOURCES, _TARGETS] = codes[:, : len(EDGES)] != 0
        live = _live(adjacency)
        adjacency &= live[:, :, None] & live[:, None, :]
        return cls(adjacency, codes[:, len(EDGES) :], live)

    def valid(self) -> NDArray[np.bool_]:
        """Whether input and output are connected by at most 9 edges: bool array [n]."""
        return self.live[:, 0] & (self.edges() <= MOST_EDGES)

    def edges(self) -> NDArray[np.int64]:
        """How many edges each has: int array [n]."""
        edges: NDArray[np.int64] = self.adjacency.sum((1, 2))
        return edges

    def codes(self) -> NDArray[Any]:
        """Codes [n, 26] with live inner vertices first, in their order, and operation 0 where there
        is no vertex.
        """
        inner = self.live[:, 1:-1]
        order = np.argsort(~inner, axis=1, kind="stable")
        vertices = np.zeros((len(inner), VERTICES), dtype=np.int64)
        vertices[:, 1:-1], vertices[:, -1] = order + 1, VERTICES - 1
        rows = np.take_along_axis(self.adjacency, vertices[:, :, None], 1)
        moved = np.take_along_axis(rows, vertices[:, None, :], 2)
        codes = np.empty((len(inner), len(EDGES) + INNER), dtype=self.operations.dtype, order="F")
        codes[:, : len(EDGES)] = moved[:, _SOURCES, _TARGETS]
        codes[:, len(EDGES) :] = np.take_along_axis(np.where(inner, self.operations, 0), order, 1)
        return codes

    def channels(self, outputs: int) -> NDArray[np.int64]:
        """Channels of each vertex in a module of `outputs` channels, 0 where there is none: int
        array [n, 7].

        The output's channels are shared out among the vertices that lead to it, one more to the
        first ones where they do not divide; any other vertex has the most of those that it leads
        to. The input's are not counted.
        """
        channels = np.zeros(self.live.shape, dtype=np.int64)
        channels[:, -1] = outputs
        direct = self.adjacency[:, :, -1].copy()
        direct[:, 0] = False
        sharers = np.maximum(direct.sum(1), 1)[:, None]
        more = np.cumsum(direct, axis=1) <= outputs % sharers
        shared = np.where(direct, outputs // sharers + more, 0)
        for vertex in range(INNER, 0, -1):
            led_to = np.where(self.adjacency[:, vertex, :-1], channels[:, :-1], 0).max(1)
            channels[:, vertex] = np.where(direct[:, vertex], shared[:, vertex], led_to)
        return channels


def _live(adjacency: NDArray[np.bool_]) -> NDArray[np.bool_]:
    reached = np.zeros(adjacency.shape[:2], dtype=bool)
    reached[:, 0] = True
    for vertex in range(1, VERTICES):
        reached[:, vertex] = (adjacency[:, :vertex, vertex] & reached[:, :vertex]).any(1)
    reaching = np.zeros_like(reached)
    reaching[:, -1] = True
    for vertex in range(VERTICES - 2, -1, -1):
        reaching[:, vertex] = (adjacency[:, vertex, vertex + 1 :] & reaching[:, vertex + 1 :]).any(
            1
        )
    return reached & reaching


@functools.cache
def canonical_matrices() -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """All pruned adjacency matrices in their one spelling, in the order of the codes.

    Returns:
        Int array [m], the 21 bits with the first edge as the highest, and int array [m], the inner
        vertices of each.
    """
    bits = np.arange(1 << len(EDGES), dtype=np.int32)
    bits = bits[
        sum((bits >> place & 1 for place in range(len(EDGES))), start=np.zeros_like(bits))
        <= MOST_EDGES
    ]
    leaves = [bits & _mask(source=vertex) != 0 for vertex in range(VERTICES)]
    enters = [bits & _mask(target=vertex) != 0 for vertex in range(VERTICES)]
    right = leaves[0] & enters[-1]
    for vertex in range(1, VERTICES - 1):
        right &= (
            leaves[vertex] == enters[vertex]
        )  # in a graph without cycles this puts a vertex on a path
        if vertex > 1:
            right &= leaves[vertex - 1] | ~leaves[vertex]
    inner = sum(
        (leaves[vertex].astype(np.int64) for vertex in range(1, VERTICES - 1)),
        start=np.zeros(len(bits), int),
    )
    return bits[right], inner[right]


def _mask(source: int | None = None, target: int | None = None) -> int:
    last = len(EDGES) - 1
    return sum(
        1 << last - place for place, (s, t) in enumerate(EDGES) if s == source or t == target
    )


def count_cells() -> int:
    """How many cells in their one spelling there are."""
    return int(_ends()[-1])


def cells_at(index: NDArray[np.int64]) -> NDArray[np.int8]:
    """The codes [n, 26] of cells in their one spelling, given by their places [n] in ascending
    order.
    """
    matrices, inner = canonical_matrices()
    row = np.searchsorted(_ends(), index, side="right")
    matrix, size = matrices[row], inner[row]
    number = index - _ends()[row] + len(OPERATIONS) ** size
    codes = np.zeros((len(index), len(EDGES) + INNER), dtype=np.int8, order="F")
    for place in range(len(EDGES)):
        codes[:, place] = matrix >> len(EDGES) - 1 - place & 1
    for vertex in range(INNER - 1, -1, -1):
        there = vertex < size
        codes[:, len(EDGES) + vertex] = np.where(there, number % len(OPERATIONS), 0)
        number = np.where(there, number // len(OPERATIONS), number)
    return codes


def all_cells(batch: int) -> Iterator[NDArray[np.int8]]:
    """The codes [at most batch, 26] of all cells in their one spelling, ascending."""
    for start in range(0, count_cells(), batch):
        yield cells_at(np.arange(start, min(start + batch, count_cells()), dtype=np.int64))


@functools.cache
def _ends() -> NDArray[np.int64]:
    """For each canonical matrix how many cells there are up to its last one."""
    return np.cumsum(len(OPERATIONS) ** canonical_matrices()[1])
