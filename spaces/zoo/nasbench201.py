"""NAS-Bench-201: cells of 6 edges with 5 operations, all 15625 of which were trained.

Dong and Yang, ICLR 2020 (arXiv 2001.00326).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.cells.edge_cells import edge_cell_graphs
from spaces.cells.nasbench201 import EDGES, OPERATIONS, live_edges
from spaces.cells.nasbench201 import classes as classes
from spaces.cells.nasbench201 import unique_string as unique_string
from spaces.cells.plan import Plan
from spaces.cells.pruned_cells import pruned_cells
from spaces.cells.space import CellSpace
from spaces.chains.additive_space import AdditiveSpace, ChoiceLayer
from spaces.errors import InvalidParameter
from spaces.operators.layers import Shape
from spaces.registry import get, register_space
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch_geometric.data import Batch

    from spaces.drawing.sketch import Sketch
    from spaces.graphs.relaxed import RelaxedGraphs
    from spaces.modules.cells import CellSupernet
    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet

OUTPUT = "output"
"""The label of a cell's output in graphs."""

_STAGES = 3


class NasBench201Space(CellSpace, AdditiveSpace):
    """Three stages of equal cells, separated by strided residual blocks.

    Every edge is executed, as in the release, even if it does not contribute to the output. `none`
    adds nothing to its node.

    Args:
        name: Canonical name.
        input_size: Side of an image in pixels.
        channels: Number of channels of the first stage; each further stage doubles them.
        cells: Number of cells of a stage.
        num_classes: Number of classes that costs are counted with.
    """

    operations_on_edges = True

    def __init__(self, name: str, input_size: int, channels: int, cells: int, num_classes: int):
        shapes: list[Shape] = [
            (channels << stage, input_size >> stage, input_size >> stage)
            for stage in range(_STAGES)
        ]
        self._stage_shapes = shapes
        self._cells = cells
        self._stem = Block("conv", (3, input_size, input_size), shapes[0], 3, stride=1)
        self._reductions = [
            Block("residual_reduce", before, after, 3, stride=2)
            for before, after in itertools.pairwise(shapes)
        ]

        # A decision applies to the edge of every cell, so that a candidate has all their blocks.
        layers = [
            ChoiceLayer(
                _key(edge),
                {
                    operation: tuple(
                        block
                        for shape in shapes
                        for block in _edge_blocks(operation, shape) * cells
                    )
                    for operation in OPERATIONS
                },
            )
            for edge in EDGES
        ]

        fixed = [self._stem, *self._reductions, self._classifier(num_classes)]
        super().__init__(name, fixed, layers, self._stem.input, num_classes)  # type: ignore[arg-type]

    def _classifier(self, num_classes: int | None) -> Block:
        outputs = (self.num_classes if num_classes is None else num_classes,)
        return Block("linear", self._stage_shapes[-1], outputs, activation="relu")

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of the network of `codes` [6]."""
        plan = Plan(self.input_shape)
        value = plan.apply("stem", self._stem, 0)
        plan.block_ends.append(value)

        for stage, shape in enumerate(self._stage_shapes):
            if stage:
                value = plan.apply(f"reduction_{stage}", self._reductions[stage - 1], value)
                plan.block_ends.append(value)
            for cell in range(self._cells):
                value = _cell(plan, f"stage_{stage}/cell_{cell}", codes, value, shape)
                plan.block_ends.append(value)

        plan.apply("classifier", self._classifier(num_classes), value)

        return plan

    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the block of every module of the supernet by name."""
        # Together, the cells of one operation on all edges use all places.
        uniform = [
            self.plan(np.full(len(EDGES), code), num_classes) for code in range(len(OPERATIONS))
        ]
        # Operations without a block have no module.
        return {step.name: step.block for plan in uniform for step in plan.applied}

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return the class of each cell with zeros propagated completely, int array [n, 1]."""
        return classes(codes, "complete")[:, None]

    def representatives(self, codes: Codes) -> Codes:
        """Return the first cell of each cell's class, codes [n, 6]."""
        first = np.unravel_index(classes(codes, "complete"), tuple(self.candidates.tolist()))
        return self.check(np.stack(first, axis=1))

    def pruned(self) -> NasBench201Space:
        """Return the space with the blocks that are left where a runtime prunes the cells."""
        _, size, _ = self.input_shape
        channels = self._stage_shapes[0][0]
        return PrunedNasBench201Space(self.name, size, channels, self._cells, self.num_classes)

    def initialiser(self) -> Initialiser:
        """Return torch's own initialisation, as in the release."""
        from spaces.modules.initialisers import torch_initialiser

        return torch_initialiser

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture: its cell."""
        from spaces.drawing.cells import nasbench201_sketch

        return nasbench201_sketch(
            self.name, self.encode([architecture])[0], [shape[0] for shape in self._stage_shapes]
        )

    @property
    def operations(self) -> list[str]:
        """Names of the operations of an edge that carry information, and the cell's output."""
        return [*OPERATIONS[1:], OUTPUT]

    @property
    def positions(self) -> int:
        """Number of edges, plus one for the output."""
        return len(EDGES) + 1

    def _graphs(self, codes: Codes) -> Batch:
        return edge_cell_graphs(codes, live_edges(codes), EDGES, len(self.operations))

    def relaxed_graphs(self, probabilities: Sequence[Tensor]) -> RelaxedGraphs:
        """Build graphs whose edges are present to a degree; see `spaces.graphs.relaxed`."""
        from spaces.graphs.relaxed import relaxed_edge_cells

        return relaxed_edge_cells(probabilities, EDGES, len(self.operations))

    def search_model(self, supernet: Supernet) -> torch.nn.Module:
        """Return the network with a LayerChoice on each edge, keyed as the choices."""
        from spaces.modules.edge_choices import StagedEdges

        return StagedEdges(cast("CellSupernet", supernet), EDGES)

    def partial_search_space(self, channel_divisor: int, edge_weights: bool) -> SearchSpace:
        """Return the network of PC-DARTS' search; see `SearchSpace.partial_search_space`."""
        return get(
            "nasbench201-search",
            input_size=self.input_shape[1],
            channels=self._stage_shapes[0][0],
            cells=self._cells,
            num_classes=self.num_classes,
            networks=self.name,
            channel_divisor=channel_divisor,
            edge_weights=edge_weights,
        )


class PrunedNasBench201Space(NasBench201Space):
    """The space whose block counts are those of networks that a runtime has pruned.

    Which blocks are left depends on all edges, so that costs are no sums over the choices.
    Additions are blocks too: of two edges, and of constants that follow from zeros.
    """

    additive = False

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space, additions included."""
        additions = [
            Block(kind, shape, shape)
            for kind in ("addition", "constant_addition")
            for shape in self._stage_shapes
        ]
        return {**super().all_blocks, **{block.key: block for block in additions}}

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys and how often a pruned network has each, int array [n, keys]."""
        cells = pruned_cells(codes)
        keys, counts = super().block_counts(cells.codes)

        numbers = {
            "avg_pool": cells.pools,
            "addition": cells.additions,
            "constant_addition": cells.constants,
        }
        for column, key in enumerate(keys):
            operator = self.all_blocks[key].operator
            if operator in numbers:
                counts[:, column] = self._cells * numbers[operator]

        # The input does not reach the output, which is a constant: nothing at all is executed.
        counts[(cells.codes == OPERATIONS.index("none")).all(1)] = 0
        return keys, counts

    def pruned(self) -> NasBench201Space:  # type: ignore[override]
        """Return the space itself."""
        return self


@register_space("nasbench201")
def nasbench201(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = 16,
    cells: int = 5,
    num_classes: int = 10,
) -> SearchSpace:
    """Build the benchmark's space at its CIFAR-10 setting; ImageNet16-120 has `input_size=16`."""
    if input_size % 4:
        raise InvalidParameter(
            f"{name}: input_size is halved twice, so it must be a multiple of 4, not {input_size}"
        )
    return NasBench201Space(name, input_size, channels, cells, num_classes)


def _key(edge: tuple[int, int]) -> str:
    return f"edge_{edge[0]}_{edge[1]}"


def _edge_blocks(operation: str, shape: Shape) -> tuple[Block, ...]:
    match operation:
        case "nor_conv_1x1":
            return (Block("relu_conv", shape, shape, 1, stride=1),)
        case "nor_conv_3x3":
            return (Block("relu_conv", shape, shape, 3, stride=1),)
        case "avg_pool_3x3":
            return (Block("avg_pool", shape, shape, 3, stride=1),)

    return ()


def _cell(plan: Plan, prefix: str, codes: NDArray[Any], value: int, shape: Shape) -> int:
    nodes = [value]
    for target in (1, 2, 3):
        terms: list[int] = []
        for source in range(target):
            key = _key((source, target))
            operation = OPERATIONS[codes[EDGES.index((source, target))]]
            blocks = _edge_blocks(operation, shape)
            if blocks:
                edge_name = f"{prefix}/{key}/{operation}"

                # Droppable: training may drop the operation's path.
                terms.append(plan.apply(edge_name, blocks[0], nodes[source], droppable=True))
            elif operation == "skip_connect":
                terms.append(nodes[source])

        nodes.append(plan.add(terms, shape))

    return nodes[-1]


def _edges(text: str) -> dict[str, str]:
    return dict(zip(map(_key, EDGES), text.split(), strict=True))


PUBLISHED = {
    "nasbench201-best-cifar10": (
        "nasbench201",
        _edges("nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 skip_connect nor_conv_3x3 nor_conv_1x1"),
    ),
    "nasbench201-best-cifar100": (
        "nasbench201",
        _edges("nor_conv_3x3 nor_conv_3x3 nor_conv_3x3 skip_connect nor_conv_3x3 nor_conv_3x3"),
    ),
    "nasbench201-resnet": (
        "nasbench201",
        _edges("nor_conv_3x3 none nor_conv_3x3 skip_connect none skip_connect"),
    ),
}
"""The release's named cells, and the best by test accuracy, as name -> (space, choices)."""
