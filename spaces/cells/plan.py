"""Plan: which block of a network reads which values, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from spaces.block import Block
from spaces.operators.layers import Shape


@dataclass(frozen=True, slots=True)
class Apply:
    """A block on one value; `place` tells where in a supernet its weights are.

    `droppable` operations are those of a cell's edges, which drop-path may leave out.
    """

    place: str
    block: Block
    sources: tuple[int]
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Add:
    """The sum of values of one shape."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Concatenate:
    """Values side by side along the channels."""

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Truncate:
    """The first channels of a value."""

    sources: tuple[int]
    channels: int


@dataclass(frozen=True, slots=True)
class Zeros:
    """Zeros of a shape, for as many images as there are."""

    shape: Shape
    sources: tuple[int, ...] = ()


Step: TypeAlias = Apply | Add | Concatenate | Truncate | Zeros


class Plan:
    """The steps of a network in their order; values are numbered, 0 is the image and step i makes
    value i + 1.

    Some values may be known by name, in `named`.

    Args:
        image: shape of one image, (channels, height, width).
    """

    def __init__(self, image: Shape):
        self.steps: list[Step] = []
        self.named: dict[str, int] = {}
        self._shapes: list[Shape] = [image]

    def shape(self, value: int) -> Shape:
        """Shape of a value for one image."""
        return self._shapes[value]

    def apply(self, place: str, block: Block, source: int, *, droppable: bool = False) -> int:
        """Run a block on a value; the number of the result. Its input must have the value's
        shape.
        """
        if block.input != self._shapes[source]:
            raise ValueError(
                f"{place}: {block} cannot read a value of the shape {self._shapes[source]}"
            )
        return self._append(Apply(place, block, (source,), droppable), block.output)

    def add(self, sources: Sequence[int], shape: Shape) -> int:
        """Sum values of the shape `shape`: zeros where there are none; the number of the result."""
        if any(self._shapes[source] != shape for source in sources):
            raise ValueError(
                f"cannot add {[self._shapes[source] for source in sources]} as {shape}"
            )
        if not sources:
            return self._append(Zeros(shape), shape)
        return sources[0] if len(sources) == 1 else self._append(Add(tuple(sources)), shape)

    def concatenate(self, sources: Sequence[int]) -> int:
        """Put values side by side; the number of the result."""
        if len(sources) == 1:
            return sources[0]
        shapes = [self._shapes[source] for source in sources]
        if len({shape[1:] for shape in shapes}) > 1:
            raise ValueError(f"cannot put {shapes} side by side")
        return self._append(
            Concatenate(tuple(sources)), (sum(shape[0] for shape in shapes), *shapes[0][1:])
        )

    def truncate(self, source: int, channels: int) -> int:
        """Keep the first channels of a value; the number of the result."""
        shape = self._shapes[source]
        if shape[0] == channels:
            return source
        return self._append(Truncate((source,), channels), (channels, *shape[1:]))

    @property
    def applied(self) -> list[Apply]:
        """The steps that run a block."""
        return [step for step in self.steps if isinstance(step, Apply)]

    @property
    def blocks(self) -> list[Block]:
        """The blocks in the order of execution."""
        return [step.block for step in self.applied]

    @cached_property
    def last_uses(self) -> list[tuple[int, ...]]:
        """For each step the values that no later one reads, so that they need not be kept."""
        last = {source: index for index, step in enumerate(self.steps) for source in step.sources}
        released: list[list[int]] = [[] for _ in self.steps]
        for value, index in last.items():
            released[index].append(value)
        return [tuple(values) for values in released]

    def _append(self, step: Step, shape: Shape) -> int:
        self.steps.append(step)
        self._shapes.append(shape)
        return len(self.steps)
