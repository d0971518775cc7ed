"""NAS-Bench-1Shot1: three sub-spaces of NAS-Bench-101 for one-shot methods.

Zela et al., ICLR 2020 (arXiv 2001.10422), section 3.1 and table 1; automl/nasbench-1shot1. Each
vertex of a cell has a fixed number of parents, 9 in all, so that every architecture of a one-shot
model is a cell that NAS-Bench-101 has trained.
"""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.cells.nasbench101 import EDGES, INNER, OPERATIONS, VERTICES, Cells
from spaces.cells.stacked_modules import StackedModules
from spaces.choice import Choice, Combination
from spaces.errors import InvalidParameter
from spaces.registry import register_space
from spaces.space import Codes, SearchSpace
from spaces.zoo.nasbench101 import check_sizes

PARENTS = {1: (1, 2, 2, 2, 2), 2: (1, 1, 2, 2, 3), 3: (1, 1, 1, 2, 2, 2)}
"""Sub-space -> number of parents of each inner vertex, and of the output (table 1)."""

_OUTPUT = VERTICES - 1


class NasBench1Shot1Space(StackedModules):
    """Cells whose vertices have a fixed number of parents.

    A vertex that leads nowhere is computed by no network; in the canonical form its choices are 0.
    Sampling is uniform over parents and operations, as in the release, so that cells with such
    vertices come up more often than others.

    Args:
        name: Canonical name.
        subspace: 1, 2 or 3.
        input_size: Side of an image in pixels.
        stem_channels: Number of channels of the first stack.
        stacks: Number of stacks.
        modules: Number of modules per stack.
        num_classes: Number of classes that costs are counted with.
    """

    def __init__(
        self,
        name: str,
        subspace: int,
        input_size: int,
        stem_channels: int,
        stacks: int,
        modules: int,
        num_classes: int,
    ):
        counts = PARENTS[subspace]
        self.vertices = len(counts) - 1
        parents = [
            Combination.from_inputs(f"parents_{vertex}", [*map(str, range(vertex))], count)
            for vertex, count in enumerate(counts, 1)
        ]
        # A single set of parents, as of vertex 1, is no decision.
        self._fixed = {
            vertex: choice
            for vertex, choice in enumerate(parents, 1)
            if len(choice.candidates) == 1
        }
        self._open = [
            (vertex, choice)
            for vertex, choice in enumerate(parents, 1)
            if vertex not in self._fixed
        ]
        operations = [Choice(f"op_{vertex}", OPERATIONS) for vertex in range(1, len(counts))]
        choices = [*(choice for _, choice in self._open), *operations]
        super().__init__(name, choices, input_size, stem_channels, stacks, modules, num_classes)

    # Architectures

    def module_codes(self, codes: Codes) -> Codes:
        """Return the cells of architectures as codes of `nasbench101`, [n, 26]."""
        cells = np.zeros((len(codes), len(EDGES) + INNER), dtype=np.int8, order="F")
        for vertex, choice in self._fixed.items():
            cells[:, self._edge_columns(vertex)] = _adjacency(choice)[0]
        for column, (vertex, choice) in enumerate(self._open):
            cells[:, self._edge_columns(vertex)] = _adjacency(choice)[codes[:, column]]

        first = len(EDGES)
        cells[:, first : first + self.vertices] = codes[:, len(self._open) :]
        return cells

    def _edge_columns(self, vertex: int) -> list[int]:
        """Return the columns of the edges into a vertex, in the order of their sources."""
        # NAS-Bench-101's output is the seventh vertex, also where there are fewer.
        target = _OUTPUT if vertex == self.vertices + 1 else vertex
        return [EDGES.index((source, target)) for source in range(vertex)]

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, choices] with 0 for the choices of vertices that lead nowhere."""
        live = Cells.from_codes(self.module_codes(codes)).live
        # The output's parents always have an effect.
        live_columns = [
            live[:, vertex] if vertex <= self.vertices else live[:, _OUTPUT]
            for vertex, _ in self._open
        ]
        live_columns += [live[:, vertex] for vertex in range(1, self.vertices + 1)]
        canonical = np.where(np.stack(live_columns, axis=1), codes, 0)
        return np.asfortranarray(canonical, dtype=self.dtype)

    @property
    def size(self) -> int:
        """Number of codes in canonical form."""
        parents = self._wirings()
        canonical = parents[(self.canonical(parents) == parents).all(1)]
        live = Cells.from_codes(self.module_codes(canonical)).live[:, 1:-1].sum(1)
        return int((len(OPERATIONS) ** live).sum())

    def _wirings(self) -> Codes:
        """Return the codes of all sets of parents, with the first operation in each vertex."""
        counts = [len(choice.candidates) for _, choice in self._open]
        parents = np.array(list(itertools.product(*map(range, counts))), dtype=self.dtype)
        operations = np.zeros((len(parents), self.vertices), dtype=self.dtype)
        return np.asfortranarray(np.concatenate([parents, operations], axis=1))

    # Blocks

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        blocks = self._skeleton.all_blocks(self.num_classes)
        wirings = self._wirings()
        occurs = np.zeros(len(blocks), dtype=bool)
        # A block depends on one vertex's operation, so that equal ones in all vertices show all.
        for operation in range(len(OPERATIONS)):
            wirings[:, len(self._open) :] = operation
            cells = self.module_codes(wirings)
            occurs |= self._skeleton.counts(cells, list(blocks), self.num_classes).any(axis=0)
        return {key: blocks[key] for key, present in zip(blocks, occurs, strict=True) if present}


def _adjacency(choice: Combination) -> NDArray[np.int8]:
    """Return for each candidate which inputs it takes, 0 or 1 [candidates, inputs]."""
    bits = np.zeros((len(choice.candidates), len(choice.inputs)), dtype=np.int8)
    for row, subset in zip(bits, choice.subsets, strict=True):
        row[list(subset)] = 1
    return bits


@register_space("nasbench1shot1")
def nasbench1shot1(
    name: str,
    /,
    *,
    subspace: int = 1,
    input_size: int = 32,
    stem_channels: int = 128,
    stacks: int = 3,
    modules: int = 3,
    num_classes: int = 10,
) -> SearchSpace:
    """Build one of the three sub-spaces of NAS-Bench-101, with `stacks` of `modules` each."""
    if subspace not in PARENTS:
        raise InvalidParameter(f"{name}: subspace is 1, 2 or 3, not {subspace}")
    check_sizes(name, input_size, stem_channels, stacks)
    return NasBench1Shot1Space(
        name, subspace, input_size, stem_channels, stacks, modules, num_classes
    )
