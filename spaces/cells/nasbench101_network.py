"""Networks of NAS-Bench-101: blocks, their wiring, and their counts in many networks.

Ying et al., ICML 2019 (arXiv 1902.09635; google-research/nasbench, model_builder.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.cells.nasbench101 import INNER, OPERATIONS, VERTICES, Cells
from spaces.cells.plan import Plan
from spaces.operators.layers import Shape

MOST_SHARERS = 4
"""Most vertices that can divide the output's channels; a fifth one would need a tenth edge."""


class Skeleton:
    """A stem, stacks of equal modules separated by pools, and a classifier.

    Args:
        input_shape: Shape of one image, (channels, height, width).
        stem_channels: Number of channels of the first stack; each further stack has twice as many
            on half the side.
        stacks: Number of stacks.
        modules: Number of modules per stack.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], stem_channels: int, stacks: int, modules: int
    ):
        _, height, width = input_shape
        self._shapes: list[Shape] = [
            (stem_channels << stack, height >> stack, width >> stack) for stack in range(stacks)
        ]
        self._modules = modules
        self._stem = Block("conv", input_shape, self._shapes[0], 3, stride=1, activation="relu")

    @property
    def channels(self) -> int:
        """Number of channels of the first stack."""
        return self._shapes[0][0]

    def plan(self, codes: NDArray[Any], num_classes: int) -> Plan:
        """Return the wiring of the network of `codes` [26]."""
        cells = Cells.from_codes(codes[None])
        plan = Plan(self._stem.input)
        value = plan.apply("stem", self._stem, 0)
        plan.block_ends.append(value)

        for stack, shape in enumerate(self._shapes):
            if stack:
                value = plan.apply(f"pool_{stack}", self._pool(stack), value)

            # Vertices that lead to the output share its channels, which double with every stack.
            channels = cells.channels(shape[0])[0].tolist()
            for module in range(self._modules):
                value = _module(plan, f"stack_{stack}/module_{module}", cells, channels, value)
                plan.block_ends.append(value)

        plan.apply("classifier", self._classifier(num_classes), value)

        return plan

    def places(self, num_classes: int, vertices: int = INNER) -> Mapping[str, Block]:
        """Return the widest block of every module of the supernet by name.

        Args:
            num_classes: Number of classes of the classifier.
            vertices: Number of inner vertices that a module may have.
        """
        places = {"stem": self._stem, "classifier": self._classifier(num_classes)}
        for stack, shape in enumerate(self._shapes):
            if stack:
                places[f"pool_{stack}"] = self._pool(stack)

            for module in range(self._modules):
                prefix = f"stack_{stack}/module_{module}"
                inputs = self._inputs(stack, module)

                # Every layer at its widest: narrower cells use the first channels.
                places[f"{prefix}/output"] = _projection(inputs, shape)
                for vertex in range(1, vertices + 1):
                    places[f"{prefix}/vertex_{vertex}/input"] = _projection(inputs, shape)
                    for code, name in enumerate(OPERATIONS):
                        places[f"{prefix}/vertex_{vertex}/{name}"] = _operation(code, shape)

        return places

    def _pool(self, stack: int) -> Block:
        previous = self._shapes[stack - 1]
        size = self._shapes[stack][1:]
        return Block("max_pool", previous, (previous[0], *size), 2, stride=2)

    def _classifier(self, num_classes: int) -> Block:
        return Block("linear", self._shapes[-1], (num_classes,))

    def _inputs(self, stack: int, module: int) -> Shape:
        # The first module after a pool still reads the previous stack's channels.
        channels = self._shapes[stack - 1 if stack and module == 0 else stack][0]
        return channels, *self._shapes[stack][1:]

    def _fixed(self, num_classes: int) -> list[Block]:
        return [
            self._stem,
            *map(self._pool, range(1, len(self._shapes))),
            self._classifier(num_classes),
        ]

    def _kinds(self, stack: int, width: int) -> list[Block]:
        """Return a stack's blocks of a width: the operations, and each module's projection."""
        shape = width, *self._shapes[stack][1:]
        operations = [_operation(code, shape) for code in range(len(OPERATIONS))]
        return operations + [
            _projection(self._inputs(stack, module), shape) for module in range(self._modules)
        ]

    def all_blocks(self, num_classes: int) -> dict[str, Block]:
        """Return key -> block for every block that occurs in some network."""
        blocks = self._fixed(num_classes)
        for stack, shape in enumerate(self._shapes):
            for width in _widths(shape[0]):
                blocks += self._kinds(stack, width)
        return {block.key: block for block in blocks}

    def counts(
        self, codes: NDArray[Any], keys: Sequence[str], num_classes: int
    ) -> NDArray[np.int32]:
        """Count the blocks of networks.

        Args:
            codes: Checked codes, int array [n, 26].
            keys: Keys of all blocks that occur in the networks.
            num_classes: Number of classes of the classifier.

        Returns:
            Int array [n, keys].
        """
        column = {key: index for index, key in enumerate(keys)}
        cells = Cells.from_codes(codes)
        rows = np.arange(len(codes))

        # An additional last column counts absent vertices, and is dropped at the end.
        counts = np.zeros((len(codes), len(keys) + 1), dtype=np.int32)
        for block in self._fixed(num_classes):
            counts[:, column[block.key]] += 1

        for stack, shape in enumerate(self._shapes):
            channels = cells.channels(shape[0])
            columns = self._columns(stack, column)
            for vertex in range(1, VERTICES):
                if vertex <= INNER:
                    operations = cells.operations[:, vertex - 1]
                    counts[rows, columns[channels[:, vertex], operations]] += self._modules
                # A vertex that reads the input projects it to its own channels.
                projected = np.where(cells.adjacency[:, 0, vertex], channels[:, vertex], 0)
                for module in range(self._modules):
                    counts[rows, columns[projected, len(OPERATIONS) + module]] += 1

        return counts[:, :-1]

    def _columns(self, stack: int, column: Mapping[str, int]) -> NDArray[np.int64]:
        """Return the column of the counts by width and kind; absent widths have the extra one."""
        channels = self._shapes[stack][0]
        # Column len(column) counts blocks that a network lacks.
        columns = np.full((channels + 1, len(OPERATIONS) + self._modules), len(column))
        for width in _widths(channels):
            columns[width] = [
                column.get(block.key, len(column)) for block in self._kinds(stack, width)
            ]
        return columns


def _widths(outputs: int) -> list[int]:
    """Return the channels that vertices can have.

    The output's channels are divided among up to four vertices; with a remainder some have one
    more.
    """
    divisors = range(1, MOST_SHARERS + 1)
    even = {outputs // divisor for divisor in divisors}
    one_more = {outputs // divisor + 1 for divisor in divisors if outputs % divisor}
    return sorted(even | one_more)


def _operation(code: int, shape: Shape) -> Block:
    if OPERATIONS[code] == "maxpool3x3":
        return Block("max_pool", shape, shape, 3, stride=1)
    return Block("conv", shape, shape, 3 if code == 0 else 1, stride=1, activation="relu")


def _projection(inputs: Shape, outputs: Shape) -> Block:
    return Block("conv", inputs, outputs, 1, stride=1, activation="relu")


def _module(plan: Plan, prefix: str, cells: Cells, channels: list[int], value: int) -> int:
    """Append a module to a plan; return the number of its output."""
    adjacency = cells.adjacency[0]
    size = plan.shape(value)[1:]
    values = {0: value}

    for vertex in range(1, INNER + 1):
        # Pruned vertices compute nothing.
        if not cells.live[0, vertex]:
            continue

        shape = channels[vertex], *size
        vertex_prefix = f"{prefix}/vertex_{vertex}"
        terms = [
            plan.truncate(values[source], channels[vertex])
            for source in range(1, vertex)
            if adjacency[source, vertex]
        ]
        if adjacency[0, vertex]:
            terms.append(
                plan.apply(f"{vertex_prefix}/input", _projection(plan.shape(value), shape), value)
            )
        code = int(cells.operations[0, vertex - 1])
        values[vertex] = plan.apply(
            f"{vertex_prefix}/{OPERATIONS[code]}", _operation(code, shape), plan.add(terms, shape)
        )

    outputs = channels[-1], *size
    # Inner vertices are concatenated, the input is projected and added.
    joined = [values[vertex] for vertex in range(1, INNER + 1) if adjacency[vertex, -1]]
    terms = [plan.concatenate(joined)] if joined else []
    if adjacency[0, -1]:
        terms.append(plan.apply(f"{prefix}/output", _projection(plan.shape(value), outputs), value))

    return plan.add(terms, outputs)
