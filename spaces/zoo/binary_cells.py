"""Binary cells and their layout: the two-level space of binary networks.

After BARS: Zhao et al., 2020 (arXiv 2011.10804). A cell is a dense graph as in NAS-Bench-201, with
binary convolutions on its edges; the layout has the number of cells and the width of each stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.cells.nasbench201 import EDGES
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.operators.layers import ESTIMATORS, Shape
from spaces.registry import register_space
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from spaces.modules.cells import CellSupernet
    from spaces.modules.network import Initialiser

OPERATIONS = ("none", "skip_connect", "binary_conv_1x1", "binary_conv_3x3")
"""Operations on the edges of a cell."""

WIDTHS = (0.5, 0.75, 1.0)
"""Factors of the channels of a stage."""

_KERNELS = {"binary_conv_1x1": 1, "binary_conv_3x3": 3}


class BinaryCellSpace(CellSpace):
    """Stages of equal binary cells, separated by strided binary convolutions with a projection.

    Every node of a cell adds its edges' outputs, and the cell's input is added to its last node,
    so that values in floats pass through the whole network. Narrower stages have the first channels
    of the widest one's weights in the supernet.

    Args:
        name: Canonical name.
        input_size: Side of an image in pixels.
        channels: Number of channels of the first stage at the width 1; each further stage doubles
            them.
        stages: Number of stages.
        cells: Greatest number of cells of a stage.
        stem_stride: Stride of the first convolution in pixels.
        estimator: Estimator of the sign's gradient.
        num_classes: Number of classes that costs are counted with.
    """

    has_binary_macs = True

    def __init__(
        self,
        name: str,
        input_size: int,
        channels: int,
        stages: int,
        cells: int,
        stem_stride: int,
        estimator: str,
        num_classes: int,
    ):
        self._channels = [round(channels * width) for width in WIDTHS]
        self._stages = stages
        self._stem_stride = stem_stride
        self._estimator = estimator
        depths = tuple(str(count) for count in range(1, cells + 1))
        widths = tuple(f"{width:g}" for width in WIDTHS)
        choices = [Choice(f"edge_{source}_{target}", OPERATIONS) for source, target in EDGES]
        for stage in range(stages):
            choices += [Choice(f"cells_{stage}", depths), Choice(f"width_{stage}", widths)]
        super().__init__(name, choices, (3, input_size, input_size), num_classes)

    # Blocks

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of the network of `codes` [choices]."""
        plan = Plan(self.input_shape)
        widths = codes[len(EDGES) + 1 :: 2]
        value = plan.apply("stem", self._stem(widths[0]), 0)
        plan.block_ends.append(value)

        for stage, width in enumerate(widths):
            if stage:
                reduction = self._reduction(stage, widths[stage - 1], width)
                value = plan.apply(f"reduction_{stage}", reduction, value)
                plan.block_ends.append(value)
            for cell in range(int(codes[len(EDGES) + 2 * stage]) + 1):
                prefix = f"stage_{stage}/cell_{cell}"
                value = self._cell(plan, prefix, codes, value, self._shape(stage, width))
                plan.block_ends.append(value)

        plan.apply("classifier", self._classifier(widths[-1], num_classes), value)
        return plan

    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the widest block of every module of the supernet by name."""
        # The deepest and widest networks whose edges all have one operation use all places.
        largest = self.candidates - 1
        places: dict[str, Block] = {}
        for code in range(len(OPERATIONS)):
            codes = np.array([*[code] * len(EDGES), *largest[len(EDGES) :]])
            plan = self.plan(codes, num_classes)
            places |= {step.name: step.block for step in plan.applied}
        return places

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        return {block.key: block for _, block in self._blocks_by_use()}

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        keys = list(self.all_blocks)
        column = {key: index for index, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        widths = codes[:, len(EDGES) + 1 :: 2]
        depths = codes[:, len(EDGES) :: 2].astype(np.int32) + 1

        for use, block in self._blocks_by_use():
            occurs = np.ones(len(codes), dtype=np.int32)
            for stage, width in use.items():
                occurs *= widths[:, stage] == width
            if block.operator == "binary_conv":
                (stage,) = use
                operation = OPERATIONS.index(f"binary_conv_{block.kernel}x{block.kernel}")
                edges = (codes[:, : len(EDGES)] == operation).sum(1, dtype=np.int32)
                occurs *= edges * depths[:, stage]
            counts[:, column[block.key]] += occurs

        return keys, counts

    def _blocks_by_use(self) -> Iterator[tuple[dict[int, int], Block]]:
        """Yield the blocks with the widths under which they occur: stage -> code of its width."""
        codes = range(len(WIDTHS))
        for width in codes:
            yield {0: width}, self._stem(width)
        for stage in range(self._stages):
            if stage:
                for before, width in itertools.product(codes, codes):
                    use = {stage - 1: before, stage: width}
                    yield use, self._reduction(stage, before, width)
            for width, kernel in itertools.product(codes, _KERNELS.values()):
                yield {stage: width}, self._conv(self._shape(stage, width), kernel)
        for width in codes:
            yield {self._stages - 1: width}, self._classifier(width, None)

    def _shape(self, stage: int, width: int) -> Shape:
        side = self.input_shape[1] // self._stem_stride >> stage
        return self._channels[width] << stage, side, side

    def _stem(self, width: int) -> Block:
        shape = self._shape(0, width)
        return Block("conv", self.input_shape, shape, 3, stride=self._stem_stride)

    def _reduction(self, stage: int, before: int, width: int) -> Block:
        source, output = self._shape(stage - 1, before), self._shape(stage, width)
        return Block("binary_reduce", source, output, 3, stride=2, activation=self._estimator)

    def _conv(self, shape: Shape, kernel: int) -> Block:
        return Block("binary_conv", shape, shape, kernel, stride=1, activation=self._estimator)

    def _classifier(self, width: int, num_classes: int | None) -> Block:
        outputs = (num_classes or self.num_classes,)
        return Block("linear", self._shape(self._stages - 1, width), outputs, activation="relu")

    def _cell(self, plan: Plan, prefix: str, codes: NDArray[Any], value: int, shape: Shape) -> int:
        nodes = [value]
        for target in (1, 2, 3):
            terms: list[int] = []
            for index, (source, end) in enumerate(EDGES):
                operation = OPERATIONS[codes[index]]
                if end != target or operation == "none":
                    continue
                if operation == "skip_connect":
                    terms.append(nodes[source])
                    continue
                name = f"{prefix}/edge_{source}_{target}/{operation}"
                block = self._conv(shape, _KERNELS[operation])
                terms.append(plan.apply(name, block, nodes[source], droppable=True))
            nodes.append(plan.add(terms, shape))

        return plan.add([value, nodes[-1]], shape)

    # Networks and graphs

    def initialiser(self) -> Initialiser:
        """Return He's initialisation; the signs of normal weights are balanced."""
        from spaces.modules.network import FanOutInitialiser

        return FanOutInitialiser()

    def _supernet_class(self) -> type[CellSupernet]:
        from spaces.modules.elastic_binary import BinaryCellSupernet

        return BinaryCellSupernet

    def _graphs(self, codes: Codes) -> Batch:
        from spaces.graphs.graph import chain_graphs

        return chain_graphs(self, codes)


@register_space("binary-cells")
def binary_cells(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = 64,
    stages: int = 3,
    cells: int = 3,
    stem_stride: int = 1,
    estimator: str = "sign",
    num_classes: int = 10,
) -> SearchSpace:
    """Build the two-level space: a binary cell, and the cells and the width of each stage."""
    if min(stages, cells, stem_stride, channels) < 1 or channels % 4:
        raise InvalidParameter(
            f"{name}: stages, cells and stem_stride must be at least 1, and channels a multiple of"
            f" 4; got {stages}, {cells}, {stem_stride} and {channels}"
        )

    # Reductions halve the image of the stem.
    divisor = stem_stride << stages - 1
    if input_size % divisor:
        raise InvalidParameter(
            f"{name}: input_size must be a multiple of {divisor}, not {input_size}"
        )

    if estimator not in ESTIMATORS:
        raise InvalidParameter(
            f"{name}: estimator is one of {', '.join(ESTIMATORS)}, not {estimator!r}"
        )

    return BinaryCellSpace(
        name, input_size, channels, stages, cells, stem_stride, estimator, num_classes
    )
