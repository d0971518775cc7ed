"""The networks of DARTS: their cells' blocks, how these are wired, and how often each occurs in
many networks.

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

CELLS, NODES, SLOTS = ("normal", "reduce"), 4, 2
AUXILIARY = "auxiliary"
"""The name of the value that the auxiliary head reads, in a plan."""

INPUTS = tuple(tuple(itertools.combinations(range(node + 2), SLOTS)) for node in range(NODES))
"""For each node the pairs of inputs it may have: 0 and 1 are the cells before, 2 the first node."""


def columns(cell: int, node: int) -> tuple[int, int, int]:
    """The columns of the codes that hold a node's inputs and its two operations; cell 0 is the
    normal one.
    """
    first = (cell * NODES + node) * (1 + SLOTS)
    return first, first + 1, first + 2


@dataclass(frozen=True)
class Cell:
    """One cell of a network.

    Args:
        reduces: whether it halves the image (from its inputs on).
        preprocess: the blocks that bring both inputs to the cell's width.
        shape: of its nodes.
    """

    reduces: bool
    preprocess: tuple[Block, Block]
    shape: Shape

    @property
    def output(self) -> Shape:
        """All nodes side by side."""
        return NODES * self.shape[0], *self.shape[1:]

    def operation(self, code: int, source: int) -> Block | None:
        """The block of an operation on an input of a node; None where it has none."""
        stride = 2 if self.reduces and source < 2 else 1
        before = self.preprocess[1].output if source < 2 else self.shape
        kind, _, kernel = OPERATIONS[code].rpartition("_")
        match kind:
            case "skip" if stride == 2:
                return Block("factorized_reduce", before, self.shape, stride=stride)
            case "max_pool" | "avg_pool" | "sep_conv":
                return Block(kind, before, self.shape, int(kernel[0]), stride=stride)
            case "dil_conv":
                return Block(kind, before, self.shape, int(kernel[0]), stride=stride, dilation=2)
        return None


class Skeleton:
    """A stem, cells of which two reduce, a classifier.

    Args:
        input_shape: shape of one image.
        channels: of a node in the first cells; each reduction doubles them.
        layers: cells; those at a third and at two thirds reduce.
        stem_multiplier: channels of the stem over `channels`.
        strided_stem: whether three strided convolutions come first in its place, as for ImageNet.
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
        if strided_stem:
            self._stem = _strided_stem(input_shape, channels)
        else:
            self._stem = (
                Block(
                    "conv", input_shape, (channels * stem_multiplier, *input_shape[1:]), 3, stride=1
                ),
            )
        before, last = self._stem[-2:] if strided_stem else self._stem * 2
        self.cells = list(_cells(before.output, last.output, channels, layers))
        self._auxiliary_index = 2 * layers // 3

    def classifier(self, num_classes: int) -> Block:
        """The last block."""
        return Block("linear", self.cells[-1].output, (num_classes,))

    @property
    def auxiliary_shape(self) -> tuple[int, int, int]:
        """Shape of the features that an auxiliary head reads, those of the second reducing cell."""
        channels, height, width = self.cells[self._auxiliary_index].output
        return channels, height, width

    def plan(self, codes: NDArray[Any], num_classes: int) -> Plan:
        """How the network of `codes` [24] is wired."""
        plan = Plan(self.input_shape)
        stem = [0]
        for index, block in enumerate(self._stem):
            stem.append(plan.apply(f"stem_{index}", block, stem[-1]))
        before, last = stem[-2:] if len(self._stem) > 1 else stem[-1:] * 2
        for index, cell in enumerate(self.cells):
            before, last = last, _wire(plan, f"cell_{index}", cell, codes, (before, last))
            if index == self._auxiliary_index:
                plan.named[AUXILIARY] = last
        plan.apply("classifier", self.classifier(num_classes), last)
        return plan

    def places(self, num_classes: int) -> dict[str, Block]:
        """Every place of the supernet and its block."""
        found = {f"stem_{index}": block for index, block in enumerate(self._stem)}
        for index, cell in enumerate(self.cells):
            found |= {
                f"cell_{index}/preprocess_{side}": block
                for side, block in enumerate(cell.preprocess)
            }
            for node in range(NODES):
                for source, code in itertools.product(range(node + 2), range(len(OPERATIONS))):
                    block = cell.operation(code, source)
                    if block is not None:
                        found[_place(f"cell_{index}", node, source, code)] = block
        return {**found, "classifier": self.classifier(num_classes)}

    def fixed(self, num_classes: int) -> list[Block]:
        """The blocks that every network has."""
        return [
            *self._stem,
            *(block for cell in self.cells for block in cell.preprocess),
            self.classifier(num_classes),
        ]

    def terms(self, keys: Sequence[str]) -> Iterator[tuple[int, int, NDArray[np.int32]]]:
        """What the operations add to the counts of the blocks `keys`, one edge after the other.

        Yields:
            The columns of the codes that hold a node's inputs and an operation, and the counts that
            these two add: int array [pairs of inputs, operations, keys].
        """
        column = {key: index for index, key in enumerate(keys)}
        for kind, node, slot in itertools.product(range(len(CELLS)), range(NODES), range(SLOTS)):
            counts = np.zeros((len(INPUTS[node]), len(OPERATIONS), len(keys)), dtype=np.int32)
            for cell in self.cells:
                if cell.reduces != bool(kind):
                    continue
                for (pair, sources), code in itertools.product(
                    enumerate(INPUTS[node]), range(len(OPERATIONS))
                ):
                    block = cell.operation(code, sources[slot])
                    if block is not None:
                        counts[pair, code, column[block.key]] += 1
            where = columns(kind, node)
            yield where[0], where[1 + slot], counts


def _strided_stem(image: Shape, channels: int) -> tuple[Block, ...]:
    _, height, width = image
    shapes = [(channels // 2, height // 2, width // 2), (channels, height // 4, width // 4)]
    return (
        Block("conv", image, shapes[0], 3, stride=2, activation="relu"),
        Block("conv", shapes[0], shapes[1], 3, stride=2),
        Block("relu_conv", shapes[1], (channels, height // 8, width // 8), 3, stride=2),
    )


def _cells(before: Shape, last: Shape, channels: int, layers: int) -> Iterator[Cell]:
    for index in range(layers):
        reduces = index in (layers // 3, 2 * layers // 3)
        channels = channels * 2 if reduces else channels
        _, height, width = last
        inner = channels, height, width
        if before[1:] == last[1:]:
            first = Block("relu_conv", before, inner, 1, stride=1)
        else:
            first = Block("factorized_reduce", before, inner, stride=2)
        shape = (channels, height // 2, width // 2) if reduces else inner
        cell = Cell(reduces, (first, Block("relu_conv", last, inner, 1, stride=1)), shape)
        before, last = last, cell.output
        yield cell


def _wire(plan: Plan, place: str, cell: Cell, codes: NDArray[Any], inputs: tuple[int, int]) -> int:
    pairs = enumerate(zip(cell.preprocess, inputs, strict=True))
    values = [
        plan.apply(f"{place}/preprocess_{side}", block, value) for side, (block, value) in pairs
    ]
    for node in range(NODES):
        pair, *operations = (int(codes[column]) for column in columns(int(cell.reduces), node))
        terms: list[int] = []
        for source, code in zip(INPUTS[node][pair], operations, strict=True):
            block = cell.operation(code, source)
            if block is not None:
                at = _place(place, node, source, code)
                terms.append(plan.apply(at, block, values[source], droppable=True))
            elif OPERATIONS[code] == "skip_connect":
                terms.append(values[source])
        values.append(plan.add(terms, cell.shape))
    return plan.concatenate(values[2:])


def _place(cell: str, node: int, source: int, code: int) -> str:
    return f"{cell}/node_{node}/input_{source}/{OPERATIONS[code]}"
