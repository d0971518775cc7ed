"""Which cells a space like that of DARTS has: operations, nodes, and the inputs of each node.

Liu et al., ICLR 2019 (arXiv 1806.09055; quark0/darts); ENAS (Pham et al., ICML 2018, arXiv
1802.03268) in the form of aw_nas (walkerning/aw_nas).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from spaces.block import Block
from spaces.choice import Choice, Combination
from spaces.errors import InvalidParameter
from spaces.operators.layers import Shape

NONE = "none"
"""The operation that carries no information."""

SKIP = "skip_connect"

OPERATIONS = (
    NONE,
    "max_pool_3x3",
    "avg_pool_3x3",
    SKIP,
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The candidates of an edge, in the order of the release."""

CELLS = ("normal", "reduce")

NODES = 4
"""Nodes of a cell of the release."""

SLOTS = 2
"""Operations of a node of the release, each on an input of its own."""

MOST_NODES = 12
"""Nodes of the largest cell, beyond which a node has too many sets of inputs."""

_OPERATION = re.compile(
    r"(?:max_pool|avg_pool|sep_conv|dil_conv)_(?:3x3|5x5|7x7)|nor_conv_(?:1x1|3x3|5x5|7x7)"
)


@dataclass(frozen=True)
class CellDesign:
    """The decisions that a normal and a reducing cell leave open.

    Args:
        operations: Names of the candidates of an edge; see `operation_block`.
        nodes: Nodes of a cell, all of which its output concatenates.
        inputs: Earlier values that a node reads. A node with fewer earlier values reads all.
        repeated_inputs: Whether all operations of a node may read one input, as in aw_nas.

    Raises:
        InvalidParameter: An operation is unknown or occurs twice, there is none but `none`, or the
            number of nodes is out of range.

    Example:
        >>> design = CellDesign(operations=("skip_connect", "sep_conv_3x3"), nodes=2)
        >>> [choice.key for choice in design.choices][:4]
        ['normal_0_inputs', 'normal_0_op_0', 'normal_0_op_1', 'normal_1_inputs']
        >>> design.sources[1]
        ((0, 1), (0, 2), (1, 2))
    """

    operations: tuple[str, ...] = OPERATIONS
    nodes: int = NODES
    inputs: int = SLOTS
    repeated_inputs: bool = False

    def __post_init__(self) -> None:
        for name in self.operations:
            if self.operations.count(name) > 1:
                raise InvalidParameter(f"primitives: {name!r} occurs twice")
            if name not in (NONE, SKIP) and not _OPERATION.fullmatch(name):
                raise InvalidParameter(
                    f"primitives: unknown operation {name!r}; there are none, skip_connect, and"
                    " max_pool, avg_pool, sep_conv, dil_conv and nor_conv with a kernel, such as"
                    " sep_conv_5x5"
                )

        if not 1 <= self.nodes <= MOST_NODES:
            raise InvalidParameter(f"steps must be 1 ... {MOST_NODES}, not {self.nodes}")
        if not self.informative:
            raise InvalidParameter("primitives: there must be an operation other than 'none'")

    @property
    def informative(self) -> tuple[str, ...]:
        """Operations that carry information."""
        return tuple(name for name in self.operations if name != NONE)

    @property
    def none_code(self) -> int | None:
        """Code of the operation `none`; None where it is no candidate."""
        return self.operations.index(NONE) if NONE in self.operations else None

    def slots(self, node: int) -> int:
        """Return the number of operations of a node, each on one input."""
        # Two values come from the cells before, and one from each earlier node.
        return min(self.inputs, node + 2)

    @cached_property
    def sources(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """For each node the inputs that each code selects.

        Inputs 0 and 1 are the two cells before, 2 the first node. Codes with repeated inputs come
        last, so that spaces without them have the same codes for the others.
        """
        return tuple(self._input_choice(CELLS[0], node).subsets for node in range(self.nodes))

    @cached_property
    def choices(self) -> list[Choice]:
        """For each cell and node the choice of its inputs, then those of their operations."""
        choices: list[Choice] = []
        for cell in CELLS:
            for node in range(self.nodes):
                choices.append(self._input_choice(cell, node))
                choices += [
                    Choice(f"{cell}_{node}_op_{slot}", self.operations)
                    for slot in range(self.slots(node))
                ]
        return choices

    def columns(self, cell: int, node: int) -> tuple[int, ...]:
        """Return the columns of a node's inputs and of its operations; cell 0 is the normal one."""
        widths = [1 + self.slots(index) for index in range(self.nodes)]
        first = cell * sum(widths) + sum(widths[:node])
        return tuple(range(first, first + widths[node]))

    def _input_choice(self, cell: str, node: int) -> Combination:
        inputs = [str(source) for source in range(node + 2)]
        return Combination.from_inputs(
            f"{cell}_{node}_inputs", inputs, self.slots(node), self.repeated_inputs
        )


def operation_block(
    name: str, input_shape: Shape, output_shape: Shape, stride: int
) -> Block | None:
    """Return the block of an operation on an edge; None if it needs none.

    Args:
        name: `none`, `skip_connect`, or a kind with its kernel, such as `sep_conv_5x5`. `nor_conv`
            is NAS-Bench-201's activation, convolution and normalisation.
        input_shape: Shape of the value that it reads.
        output_shape: Shape of the node.
        stride: 1, or 2 to halve the image.
    """
    # An identity cannot halve the image.
    if name == SKIP and stride == 2:
        return Block("factorized_reduce", input_shape, output_shape, stride=stride)
    if name in (NONE, SKIP):
        return None

    # Names end in the kernel.
    kind, _, kernel_text = name.rpartition("_")
    kernel = int(kernel_text[0])
    if kind == "dil_conv":
        return Block(kind, input_shape, output_shape, kernel, stride=stride, dilation=2)

    operator = "relu_conv" if kind == "nor_conv" else kind
    return Block(operator, input_shape, output_shape, kernel, stride=stride)
