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
from spaces.cells.darts_design import CELLS, NONE, CellDesign, operation_block
from spaces.cells.plan import Plan
from spaces.operators.layers import Shape

AUXILIARY = "auxiliary"
"""Name of the value of a plan that the auxiliary head reads."""


@dataclass(frozen=True)
class Cell:
    """One cell of a network.

    Args:
        reduces: Whether operations on its inputs halve the image.
        preprocess: Blocks that bring both inputs to the cell's width.
        shape: Shape of its nodes.
        nodes: Number of its nodes.
    """

    reduces: bool
    preprocess: tuple[Block, Block]
    shape: Shape
    nodes: int

    @property
    def output(self) -> Shape:
        """Shape of the concatenated nodes."""
        return self.nodes * self.shape[0], *self.shape[1:]

    def ends(self, source: int) -> tuple[Shape, int]:
        """Return the shape of the value that an operation on a source reads, and its stride."""
        # Only operations that read the previous cells halve the image; nodes are small already.
        if source < 2:
            return self.preprocess[1].output, 2 if self.reduces else 1
        return self.shape, 1

    def operation(self, name: str, source: int) -> Block | None:
        """Return the block of an operation on an input of a node; None if it has none."""
        input_shape, stride = self.ends(source)
        return operation_block(name, input_shape, self.shape, stride)


class Skeleton:
    """A stem, cells of which some reduce, and a classifier.

    Args:
        input_shape: Shape of one image, (channels, height, width).
        channels: Number of channels of a node in the first cells; each reduction doubles them.
        layers: Number of cells.
        stem_multiplier: Ratio of the channels of the stem to `channels`.
        strided_stem: Whether the stem is three strided convolutions, as for ImageNet.
        design: Operations and nodes of the cells. None: those of the release.
        reductions: Indices of the cells that reduce, in order. Empty: those at one third and at two
            thirds, as in the release.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        channels: int,
        layers: int,
        stem_multiplier: int,
        strided_stem: bool,
        design: CellDesign | None = None,
        reductions: Sequence[int] = (),
    ):
        self.input_shape = input_shape
        self.channels = channels
        self.stem_multiplier = stem_multiplier
        self.strided_stem = strided_stem
        self.design = CellDesign() if design is None else design
        self.reductions = tuple(reductions) or thirds(layers)
        if strided_stem:
            self._stem = _strided_stem(input_shape, channels)
        else:
            output_shape = (channels * stem_multiplier, *input_shape[1:])
            self._stem = (Block("conv", input_shape, output_shape, 3, stride=1),)

        # With a single stem the first cell reads its output twice.
        previous, last = self._stem[-2:] if strided_stem else self._stem * 2
        self.cells = list(self._cells(previous.output, last.output, layers))
        self._auxiliary_index = self.reductions[-1]

    def _cells(self, previous: Shape, last: Shape, layers: int) -> Iterator[Cell]:
        channels = self.channels
        for index in range(layers):
            reduces = index in self.reductions
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
            second = Block("relu_conv", last, inner, 1, stride=1)
            cell = Cell(reduces, (first, second), shape, self.design.nodes)
            previous, last = last, cell.output
            yield cell

    def classifier(self, num_classes: int) -> Block:
        """Return the last block."""
        return Block("linear", self.cells[-1].output, (num_classes,))

    @property
    def auxiliary_shape(self) -> tuple[int, int, int]:
        """Shape of the features that an auxiliary head reads, those of the last reducing cell."""
        channels, height, width = self.cells[self._auxiliary_index].output
        return channels, height, width

    def plan(self, codes: NDArray[Any], num_classes: int) -> Plan:
        """Return the wiring of the network of `codes` [choices]."""
        plan = Plan(self.input_shape)
        stem = [0]
        for index, block in enumerate(self._stem):
            stem.append(plan.apply(f"stem_{index}", block, stem[-1]))

        # The first cell reads the last two outputs of the stem, or its only one twice.
        previous, last = stem[-2:] if len(self._stem) > 1 else stem[-1:] * 2
        plan.block_ends.append(last)

        for index, cell in enumerate(self.cells):
            inputs = [
                plan.apply(f"{cell_name(index)}/preprocess_{side}", block, value)
                for side, (block, value) in enumerate(
                    zip(cell.preprocess, (previous, last), strict=True)
                )
            ]
            # The inputs are no part of the output.
            output = plan.concatenate(self.append_nodes(plan, index, codes, inputs))
            previous, last = last, output
            plan.block_ends.append(last)
            if index == self._auxiliary_index:
                plan.named[AUXILIARY] = last

        plan.apply("classifier", self.classifier(num_classes), last)

        return plan

    def append_nodes(
        self, plan: Plan, index: int, codes: NDArray[Any], inputs: list[int]
    ) -> list[int]:
        """Append the nodes of a cell to a plan, and return the numbers of their values.

        Args:
            plan: Plan that has the preprocessed inputs of the cell.
            index: Index of the cell.
            codes: Codes of the network [choices].
            inputs: Numbers of the preprocessed inputs.
        """
        design = self.design
        cell = self.cells[index]
        values = list(inputs)
        for node in range(design.nodes):
            columns = design.columns(int(cell.reduces), node)
            selected, *operations = (int(codes[column]) for column in columns)
            terms: list[int] = []
            for source, code in zip(design.sources[node][selected], operations, strict=True):
                name = design.operations[code]
                block = cell.operation(name, source)
                if block is not None:
                    module = _module_name(index, node, source, name)
                    terms.append(plan.apply(module, block, values[source], droppable=True))
                elif name != NONE:
                    terms.append(values[source])

            values.append(plan.add(terms, cell.shape))

        return values[len(inputs) :]

    def places(self, num_classes: int) -> dict[str, Block]:
        """Return the block of every module of the supernet by name."""
        places = {f"stem_{index}": block for index, block in enumerate(self._stem)}
        for index, cell in enumerate(self.cells):
            places |= {
                f"{cell_name(index)}/preprocess_{side}": block
                for side, block in enumerate(cell.preprocess)
            }
            places |= self.operations_of(index)

        return {**places, "classifier": self.classifier(num_classes)}

    def operations_of(self, index: int) -> dict[str, Block]:
        """Return the blocks of all operations on all edges of a cell by their modules' names."""
        places = {}
        for node in range(self.design.nodes):
            # Supernets have every operation on every edge; networks have few edges a node.
            for source, name in itertools.product(range(node + 2), self.design.operations):
                block = self.cells[index].operation(name, source)
                if block is not None:
                    places[_module_name(index, node, source, name)] = block
        return places

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
            two add, int array [selections of inputs, operations, keys].
        """
        design = self.design
        column = {key: index for index, key in enumerate(keys)}
        for kind, node in itertools.product(range(len(CELLS)), range(design.nodes)):
            inputs, *operations = design.columns(kind, node)
            # Cells of the other kind have columns of their own.
            cells = [cell for cell in self.cells if cell.reduces == bool(kind)]

            for slot, operation in enumerate(operations):
                shape = len(design.sources[node]), len(design.operations), len(keys)
                counts = np.zeros(shape, dtype=np.int32)
                for cell, (selected, sources), (code, name) in itertools.product(
                    cells, enumerate(design.sources[node]), enumerate(design.operations)
                ):
                    block = cell.operation(name, sources[slot])
                    if block is not None:
                        counts[selected, code, column[block.key]] += 1

                yield inputs, operation, counts


def thirds(layers: int) -> tuple[int, ...]:
    """Return the indices of the cells that reduce in the release."""
    return layers // 3, 2 * layers // 3


def _strided_stem(image: Shape, channels: int) -> tuple[Block, ...]:
    _, height, width = image
    shapes = [(channels // 2, height // 2, width // 2), (channels, height // 4, width // 4)]
    return (
        Block("conv", image, shapes[0], 3, stride=2, activation="relu"),
        Block("conv", shapes[0], shapes[1], 3, stride=2),
        Block("relu_conv", shapes[1], (channels, height // 8, width // 8), 3, stride=2),
    )


def cell_name(index: int) -> str:
    """Return the prefix of the names of a cell's modules."""
    return f"cell_{index}"


def _module_name(cell: int, node: int, source: int, operation: str) -> str:
    return f"{cell_name(cell)}/node_{node}/input_{source}/{operation}"
