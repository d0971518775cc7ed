"""Densely joined cells of multi-shot NAS, for networks that resist attacks.

Ning et al., arXiv 2012.11835 (`dense_rob` of walkerning/aw_nas).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.cells.dense import (
    CELLWISE,
    EDGES,
    NONE,
    OPERATIONS,
    OUTPUT,
    RESIDUAL,
    SEPARABLE,
    SKIP,
    STAGEWISE,
    TOPOLOGIES,
    DenseSkeleton,
    edge_blocks,
    edge_key,
    graphs_of_cells,
    groups_of,
    topology_names,
)
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.chains.additive_space import AdditiveSpace, ChoiceLayer
from spaces.errors import InvalidParameter
from spaces.registry import get, register_space
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from spaces.drawing.sketch import Sketch
    from spaces.modules.network import Initialiser


class DenseCellsSpace(CellSpace, AdditiveSpace):
    """Cells in which every earlier node is joined to every later one by one of four operations.

    How many inputs a node has follows from the operations `none`. A supernet with a topology for
    each cell runs the networks with one for each stage as well.

    Args:
        name: Canonical name.
        skeleton: Stem, cells and classifier of the networks.
        topologies: `cells` or `stages`.
        num_classes: Number of classes that costs are counted with.
    """

    operations_on_edges = True

    def __init__(self, name: str, skeleton: DenseSkeleton, topologies: str, num_classes: int):
        self.skeleton = skeleton
        self.topologies = topologies
        self.groups = groups_of(skeleton.cells, topologies)
        layers = [
            ChoiceLayer(
                edge_key(topology, source, node),
                {operation: self._blocks_of(group, operation, source) for operation in OPERATIONS},
            )
            for group, topology in enumerate(topology_names(skeleton.cells, self.groups))
            for source, node in EDGES
        ]
        fixed = skeleton.fixed(num_classes)
        super().__init__(name, fixed, layers, skeleton.input_shape, num_classes)

    def _blocks_of(self, group: int, operation: str, source: int) -> tuple[Block, ...]:
        """Return the blocks that an edge of a topology adds to all of its cells."""
        return tuple(
            block
            for cell, number in zip(self.skeleton.cells, self.groups, strict=True)
            if number == group
            for block in edge_blocks(cell, operation, source).values()
        )

    def _by_topology(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return codes [..., choices] as [..., topologies, edges]."""
        return np.reshape(codes, (*codes.shape[:-1], -1, len(EDGES)))

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of the network of `codes` [topologies * 14]."""
        operations = self._by_topology(codes)[list(self.groups)]
        return self.skeleton.plan(operations, num_classes or self.num_classes)

    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the block of every module of the supernet by name."""
        return self.skeleton.places(num_classes or self.num_classes)

    def covers(self, space: SearchSpace) -> bool:
        """Return whether a supernet of this space runs the architectures of `space`.

        A topology for each stage is one for each cell.
        """
        if super().covers(space):
            return True
        return self.topologies == CELLWISE and space == self.stagewise

    def has_topologies_of(self, space: SearchSpace) -> bool:
        """Return whether networks of `space` are those of this space but for their widths."""
        return space.choices in (self.choices, self.stagewise.choices)

    @property
    def stagewise(self) -> SearchSpace:
        """Space of the same networks with a topology for each stage."""
        if self.topologies == STAGEWISE:
            return self
        return _space(self.skeleton, STAGEWISE, self.num_classes)

    def codes_for(self, space: SearchSpace, codes: Codes) -> Codes:
        """Return the codes in this space of networks of one with its topologies."""
        if space.choices == self.choices:
            return codes
        groups = list(groups_of(self.skeleton.cells, STAGEWISE))
        shared = self._by_topology(codes)[:, groups]
        return np.asfortranarray(shared.reshape(len(codes), -1))

    def initialiser(self) -> Initialiser:
        """Return torch's own initialisation, as in the release."""
        from spaces.modules.initialisers import torch_initialiser

        return torch_initialiser

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture: its cells."""
        from spaces.drawing.dense_cells import dense_cells_sketch

        operations = self._by_topology(self.encode([architecture])[0])
        names = topology_names(self.skeleton.cells, self.groups)
        return dense_cells_sketch(self.name, dict(zip(names, operations, strict=True)))

    @property
    def operations(self) -> list[str]:
        """Names of the operations that carry information, and a cell's output."""
        return [*OPERATIONS[1:], OUTPUT]

    @property
    def positions(self) -> int:
        """Number of edges and outputs of all topologies, plus one for the previous cell."""
        return len(self.choices) // len(EDGES) * (len(EDGES) + 1) + 1

    def _graphs(self, codes: Codes) -> Batch:
        return graphs_of_cells(self._by_topology(codes))


@register_space("dense-cells")
def dense_cells(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = 24,
    layers: int = 8,
    stem_multiplier: int = 3,
    topologies: str = CELLWISE,
    num_classes: int = 10,
) -> SearchSpace:
    """Build the space of the paper: eight cells, of which those at 2 and 5 halve the image.

    With `topologies='stages'` the cells of a stage are equal, and the two that halve the image.
    """
    if input_size % 4:
        raise InvalidParameter(
            f"{name}: input_size is halved twice, so it must be a multiple of 4, not {input_size}"
        )

    if layers < 4 or channels % 2:
        raise InvalidParameter(
            f"{name}: there must be at least 4 layers, two of which reduce, and an even number of"
            f" channels; got {layers} and {channels}"
        )

    if topologies not in TOPOLOGIES:
        raise InvalidParameter(
            f"{name}: topologies must be {' or '.join(TOPOLOGIES)}, not {topologies!r}"
        )

    skeleton = DenseSkeleton((3, input_size, input_size), channels, layers, stem_multiplier, False)
    return DenseCellsSpace(name, skeleton, topologies, num_classes)


def _space(skeleton: DenseSkeleton, topologies: str, num_classes: int) -> SearchSpace:
    """Return the space of a skeleton's networks from the registry."""
    return get(
        "dense-cells",
        input_size=skeleton.input_shape[1],
        channels=skeleton.channels,
        layers=len(skeleton.cells),
        stem_multiplier=skeleton.stem_multiplier,
        topologies=topologies,
        num_classes=num_classes,
    )


def _topology(name: str, operations: str) -> dict[str, str]:
    """Return the choices of a topology from the first letters of its operations, node by node."""
    names = {"n": NONE, "i": SKIP, "s": SEPARABLE, "r": RESIDUAL}
    letters = operations.replace(" ", "")
    return {
        edge_key(name, *edge): names[letter] for edge, letter in zip(EDGES, letters, strict=True)
    }


PUBLISHED = {
    "msrobnet-1560": (
        "dense-cells",
        _topology("normal_0", "is nii nsri issss")
        | _topology("normal_1", "rs nsi rrrn nissi")
        | _topology("reduce_2", "ri snn irsn rirni")
        | _topology("normal_3", "ii rnr rnri nsnis")
        | _topology("normal_4", "rs iin siss rrnis")
        | _topology("reduce_5", "ss rsr nsrs riiis")
        | _topology("normal_6", "nr nsr irrn rirns")
        | _topology("normal_7", "nn nrn sirn riinr"),
    ),
}
"""The paper's network as aw_nas has it (tests of `dense_rob`), as name -> (space, choices).

Letters are none, identity (skip connection), separable and residual separable.
"""
