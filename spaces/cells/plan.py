"""Plan: the wiring of a network, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from spaces.block import Block
from spaces.operators.layers import Shape


@dataclass(frozen=True, slots=True)
class Apply:
    """Run a block on one value.

    Args:
        name: Name of the block's weights in a supernet.
        block: Block to run.
        sources: Number of the value that it reads.
        droppable: Whether drop-path may drop it, as the operations on the edges of a cell.
    """

    name: str
    block: Block
    sources: tuple[int]
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Add:
    """Sum values of one shape."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Concatenate:
    """Concatenate values along the channels."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Truncate:
    """Take the first channels of a value."""

    sources: tuple[int]
    channels: int


@dataclass(frozen=True, slots=True)
class Zeros:
    """Make zeros of a shape for each image."""

    shape: Shape
    sources: tuple[int, ...] = ()


Step: TypeAlias = Apply | Add | Concatenate | Truncate | Zeros


class Plan:
    """The steps of a network, in order.

    Values are numbered: 0 is the image, and step i computes value i + 1. The attribute `named` maps
    names to the numbers of some values, such as the features of an auxiliary head; `block_ends` has
    the numbers of the features after the stem, each cell and each reduction.

    Args:
        image: Shape of one image, (channels, height, width).

    Example:
        >>> plan = Plan((3, 8, 8))
        >>> conv = Block("conv", (3, 8, 8), (4, 8, 8), kernel=3, stride=1)
        >>> first = plan.apply("first", conv, 0)
        >>> second = plan.apply("second", conv, 0)
        >>> plan.shape(plan.concatenate([first, second]))
        (8, 8, 8)
    """

    def __init__(self, image: Shape):
        self.steps: list[Step] = []
        self.named: dict[str, int] = {}
        self.block_ends: list[int] = []
        self._shapes: list[Shape] = [image]

    def shape(self, value: int) -> Shape:
        """Return the shape of a value for one image."""
        return self._shapes[value]

    def apply(self, name: str, block: Block, source: int, *, droppable: bool = False) -> int:
        """Append a block.

        Args:
            name: Name of the block's weights in a supernet.
            block: Block whose input has the shape of the value.
            source: Number of the value that it reads.
            droppable: Whether drop-path may drop it.

        Returns:
            Number of the result.

        Raises:
            ValueError: The value has another shape.
        """
        if block.input != self._shapes[source]:
            raise ValueError(
                f"{name}: {block} cannot read a value of the shape {self._shapes[source]}"
            )
        return self._append(Apply(name, block, (source,), droppable), block.output)

    def add(self, sources: Sequence[int], shape: Shape) -> int:
        """Append a sum of values of one shape, or zeros; return the number of the result."""
        if any(self._shapes[source] != shape for source in sources):
            raise ValueError(
                f"cannot add {[self._shapes[source] for source in sources]} as {shape}"
            )
        if not sources:
            return self._append(Zeros(shape), shape)

        # A single value is its own sum, without a step.
        if len(sources) == 1:
            return sources[0]

        return self._append(Add(tuple(sources)), shape)

    def concatenate(self, sources: Sequence[int]) -> int:
        """Append a concatenation along the channels; return the number of the result."""
        if len(sources) == 1:
            return sources[0]

        shapes = [self._shapes[source] for source in sources]
        if len({shape[1:] for shape in shapes}) > 1:
            raise ValueError(f"cannot concatenate {shapes}: height or width differ")

        channels = sum(shape[0] for shape in shapes)

        return self._append(Concatenate(tuple(sources)), (channels, *shapes[0][1:]))

    def truncate(self, source: int, channels: int) -> int:
        """Append a selection of the first channels; return the number of the result."""
        shape = self._shapes[source]
        # All channels are the value itself, without a step.
        if shape[0] == channels:
            return source
        return self._append(Truncate((source,), channels), (channels, *shape[1:]))

    @property
    def applied(self) -> list[Apply]:
        """Steps that run a block."""
        return [step for step in self.steps if isinstance(step, Apply)]

    @property
    def blocks(self) -> list[Block]:
        """Blocks in the order of execution."""
        return [step.block for step in self.applied]

    @cached_property
    def last_uses(self) -> list[tuple[int, ...]]:
        """For each step the values that no later step reads, whose memory can be freed."""
        # Later steps overwrite earlier ones.
        last = {source: index for index, step in enumerate(self.steps) for source in step.sources}
        released: list[list[int]] = [[] for _ in self.steps]
        for value, index in last.items():
            released[index].append(value)
        return [tuple(values) for values in released]

    def _append(self, step: Step, shape: Shape) -> int:
        self.steps.append(step)
        self._shapes.append(shape)
        return len(self.steps)
