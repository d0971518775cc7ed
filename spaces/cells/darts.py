"""Networks of DARTS: blocks of the cells, their wiring, and their counts in many networks.

Liu et al., ICLR 2019 (arXiv 1806.09055; quark0/darts, cnn/model.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.cells.plan import Plan
from spaces.operators.layers import Shape

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The candidates of an edge, in the order of the release."""

CELLS = ("normal", "reduce")

# Nodes of a cell, each with two inputs.
NODES = 4
SLOTS = 2
"""Operations of a node, each on an input of its own."""

AUXILIARY = "auxiliary"
"""Name of the value of a plan that the auxiliary head reads."""

INPUTS = tuple(
    (
        *itertools.combinations(range(node + 2), SLOTS),
        *((source,) * SLOTS for source in range(node + 2)),
    )
    for node in range(NODES)
)
"""Pairs of inputs that each node may have: 0 and 1 are the previous cells, 2 the first node.

Pairs of one input twice, as aw_nas has them, come last, so that spaces without them have the same
codes for the others.
"""


def columns(cell: int, node: int) -> tuple[int, int, int]:
    """Return the columns of a node's inputs and two operations; cell 0 is the normal one."""
    first = (cell * NODES + node) * (1 + SLOTS)
    return first, first + 1, first + 2


@dataclass(frozen=True)
class Cell:
    """One cell of a network.

    Args:
        reduces: Whether operations on its inputs halve the image.
        preprocess: Blocks that bring both inputs to the cell's width.
        shape: Shape of its nodes.
    """

    reduces: bool
    preprocess: tuple[Block, Block]
    shape: Shape

    @property
    def output(self) -> Shape:
        """Shape of the concatenated nodes."""
        return NODES * self.shape[0], *self.shape[1:]

    def operation(self, code: int, source: int) -> Block | None:
        """Return the block of an operation on an input of a node; None if it has none."""
        # Only operations that read the previous cells halve the image; nodes are small already.
        stride = 2 if self.reduces and source < 2 else 1
        input_shape = self.preprocess[1].output if source < 2 else self.shape
        # Names end in the kernel, such as sep_conv_5x5.
        kind, _, kernel = OPERATIONS[code].rpartition("_")

        match kind:
            # An identity cannot halve the image.
            case "skip" if stride == 2:
                return Block("factorized_reduce", input_shape, self.shape, stride=stride)
            case "max_pool" | "avg_pool" | "sep_conv":
                return Block(kind, input_shape, self.shape, int(kernel[0]), stride=stride)
            case "dil_conv":
                return Block(
                    kind, input_shape, self.shape, int(kernel[0]), stride=stride, dilation=2
                )

        return None


class Skeleton:
    """A stem, cells of which two reduce, and a classifier.

    Args:
        input_shape: Shape of one image, (channels, height, width).
        channels: Number of channels of a node in the first cells; each reduction doubles them.
        layers: Number of cells; those at one third and at two thirds reduce.
        stem_multiplier: Ratio of the channels of the stem to `channels`.
        strided_stem: Whether the stem is three strided convolutions, as for ImageNet.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        channels: int,
        layers: int,
        stem_multiplier: int,
        strided_stem: bool,
    ):
        self.input_shape = input_shape
        self.channels = channels
        self.stem_multiplier = stem_multiplier
        self.strided_stem = strided_stem
        if strided_stem:
            self._stem = _strided_stem(input_shape, channels)
        else:
            output_shape = (channels * stem_multiplier, *input_shape[1:])
            self._stem = (Block("conv", input_shape, output_shape, 3, stride=1),)

        # With a single stem the first cell reads its output twice.
        previous, last = self._stem[-2:] if strided_stem else self._stem * 2
        self.cells = list(_cells(previous.output, last.output, channels, layers))
        self._auxiliary_index = 2 * layers // 3

    def classifier(self, num_classes: int) -> Block:
        """Return the last block."""
        return Block("linear", self.cells[-1].output, (num_classes,))

    @property
    def auxiliary_shape(self) -> tuple[int, int, int]:
        """Shape of the features that an auxiliary head reads, those of the second reducing cell."""
        channels, height, width = self.cells[self._auxiliary_index].output
        return channels, height, width

    def plan(self, codes: NDArray[Any], num_classes: int) -> Plan:
        """Return the wiring of the network of `codes` [24]."""
        plan = Plan(self.input_shape)
        stem = [0]
        for index, block in enumerate(self._stem):
            stem.append(plan.apply(f"stem_{index}", block, stem[-1]))

        # The first cell reads the last two outputs of the stem, or its only one twice.
        previous, last = stem[-2:] if len(self._stem) > 1 else stem[-1:] * 2
        plan.block_ends.append(last)

        for index, cell in enumerate(self.cells):
            previous, last = last, _wire(plan, f"cell_{index}", cell, codes, (previous, last))
            plan.block_ends.append(last)
            if index == self._auxiliary_index:
                plan.named[AUXILIARY] = last

        plan.apply("classifier", self.classifier(num_classes), last)

        return plan

    def places(self, num_classes: int) -> dict[str, Block]:
        """Return the block of every module of the supernet by name."""
        places = {f"stem_{index}": block for index, block in enumerate(self._stem)}
        for index, cell in enumerate(self.cells):
            places |= {
                f"cell_{index}/preprocess_{side}": block
                for side, block in enumerate(cell.preprocess)
            }

            for node in range(NODES):
                # Supernets have every operation on every edge; networks have two edges a node.
                for source, code in itertools.product(range(node + 2), range(len(OPERATIONS))):
                    block = cell.operation(code, source)
                    if block is not None:
                        places[_module_name(f"cell_{index}", node, source, code)] = block

        return {**places, "classifier": self.classifier(num_classes)}

    def fixed(self, num_classes: int) -> list[Block]:
        """Return the blocks of every network."""
        return [
            *self._stem,
            *(block for cell in self.cells for block in cell.preprocess),
            self.classifier(num_classes),
        ]

    def terms(self, keys: Sequence[str]) -> Iterator[tuple[int, int, NDArray[np.int32]]]:
        """Tabulate the blocks that each operation of a node adds.

        Args:
            keys: Keys of all blocks.

        Yields:
            Columns of a node's inputs and of one operation in the codes, and the counts that the
            two add, int array [pairs of inputs, operations, keys].
        """
        column = {key: index for index, key in enumerate(keys)}
        for kind, node, slot in itertools.product(range(len(CELLS)), range(NODES), range(SLOTS)):
            counts = np.zeros((len(INPUTS[node]), len(OPERATIONS), len(keys)), dtype=np.int32)
            for cell in self.cells:
                # Cells of the other kind have columns of their own.
                if cell.reduces != bool(kind):
                    continue

                for (pair, sources), code in itertools.product(
                    enumerate(INPUTS[node]), range(len(OPERATIONS))
                ):
                    block = cell.operation(code, sources[slot])
                    if block is not None:
                        counts[pair, code, column[block.key]] += 1

            inputs, *operations = columns(kind, node)
            yield inputs, operations[slot], counts


def _strided_stem(image: Shape, channels: int) -> tuple[Block, ...]:
    _, height, width = image
    shapes = [(channels // 2, height // 2, width // 2), (channels, height // 4, width // 4)]
    return (
        Block("conv", image, shapes[0], 3, stride=2, activation="relu"),
        Block("conv", shapes[0], shapes[1], 3, stride=2),
        Block("relu_conv", shapes[1], (channels, height // 8, width // 8), 3, stride=2),
    )


def _cells(previous: Shape, last: Shape, channels: int, layers: int) -> Iterator[Cell]:
    for index in range(layers):
        reduces = index in (layers // 3, 2 * layers // 3)
        channels = channels * 2 if reduces else channels
        _, height, width = last
        inner = channels, height, width

        # Right after a reducing cell the cell before it has twice the size.
        if previous[1:] == last[1:]:
            first = Block("relu_conv", previous, inner, 1, stride=1)
        else:
            first = Block("factorized_reduce", previous, inner, stride=2)

        # The cell's inputs are preprocessed at full size, its nodes have half of it.
        shape = (channels, height // 2, width // 2) if reduces else inner
        cell = Cell(reduces, (first, Block("relu_conv", last, inner, 1, stride=1)), shape)
        previous, last = last, cell.output
        yield cell


def _wire(plan: Plan, prefix: str, cell: Cell, codes: NDArray[Any], inputs: tuple[int, int]) -> int:
    """Append a cell to a plan; return the number of its output."""
    values = [
        plan.apply(f"{prefix}/preprocess_{side}", block, value)
        for side, (block, value) in enumerate(zip(cell.preprocess, inputs, strict=True))
    ]
    for node in range(NODES):
        pair, *operations = (int(codes[column]) for column in columns(int(cell.reduces), node))
        terms: list[int] = []
        for source, code in zip(INPUTS[node][pair], operations, strict=True):
            block = cell.operation(code, source)
            if block is not None:
                operation_name = _module_name(prefix, node, source, code)
                terms.append(plan.apply(operation_name, block, values[source], droppable=True))
            elif OPERATIONS[code] == "skip_connect":
                terms.append(values[source])

        values.append(plan.add(terms, cell.shape))

    # The inputs are no part of the output.
    return plan.concatenate(values[2:])


def _module_name(cell: str, node: int, source: int, code: int) -> str:
    return f"{cell}/node_{node}/input_{source}/{OPERATIONS[code]}"
