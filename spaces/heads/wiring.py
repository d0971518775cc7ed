"""Wiring: which features each layer of a network with a head reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.operators.layers import Shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class WiredLayer:
    """A layer and what it reads.

    Args:
        item: Fixed block, or choice of blocks with outputs of one shape.
        sources: Numbers of the values that it reads.
        adds: Whether several sources are added; otherwise they are concatenated along the channels.
    """

    item: Block | ChoiceLayer
    sources: tuple[int, ...]
    adds: bool = False


@dataclass(frozen=True)
class Wiring:
    """The layers of a network in the order of execution, and the values that it returns.

    Values are numbered: 0 is the image, and layer i computes value i + 1.

    Args:
        layers: All layers, first those of the backbone.
        outputs: Numbers of the returned values.
        shapes: Shape of each value for one image.

    Example:
        >>> builder = WiringBuilder((3, 8, 8))
        >>> image = 0
        >>> conv = Block("conv", (3, 8, 8), (4, 8, 8), kernel=3, stride=1)
        >>> first = builder.append(conv, image)
        >>> second = builder.append(conv, image)
        >>> pointwise = Block("conv", (4, 8, 8), (2, 8, 8), kernel=1, stride=1)
        >>> wiring = builder.wiring([builder.append(pointwise, first, second)])
        >>> wiring.layers[-1].sources, wiring.layers[-1].adds
        ((1, 2), True)
    """

    layers: tuple[WiredLayer, ...]
    outputs: tuple[int, ...]
    shapes: tuple[Shape, ...]

    @property
    def items(self) -> tuple[Block | ChoiceLayer, ...]:
        """The layers without what they read."""
        return tuple(layer.item for layer in self.layers)

    @cached_property
    def released(self) -> tuple[tuple[int, ...], ...]:
        """For each layer the values that no later layer reads and that are not returned."""
        last = {
            source: index for index, layer in enumerate(self.layers) for source in layer.sources
        }
        released: list[list[int]] = [[] for _ in self.layers]
        for value, index in last.items():
            if value not in self.outputs:
                released[index].append(value)
        return tuple(map(tuple, released))

    @cached_property
    def waiting(self) -> tuple[int, ...]:
        """For each layer the number of values of one image that wait while it runs.

        They are those of features that a later layer reads, or that the layer reads joined. A
        single source of the layer is not among them.
        """
        waiting = []
        alive = {0}
        for index, layer in enumerate(self.layers):
            others = alive - set(layer.sources) if len(layer.sources) == 1 else alive
            waiting.append(sum(math.prod(self.shapes[value]) for value in others))
            alive = (alive | {index + 1}) - set(self.released[index])

        return tuple(waiting)

    def run(self, functions: Sequence[Callable[[Tensor], Tensor]], image: Tensor) -> list[Tensor]:
        """Return the output values for images [b, channels, height, width].

        Args:
            functions: Function of each layer.
            image: Images.
        """
        values = {0: image}
        for index, function in enumerate(functions):
            self.advance(values, index, function)
        return [values[number] for number in self.outputs]

    def advance(
        self, values: dict[int, Tensor], index: int, function: Callable[[Tensor], Tensor]
    ) -> None:
        """Run one layer and change the values that later layers read.

        Args:
            values: Number -> value, of those before the layer.
            index: Index of the layer.
            function: Function of the layer.
        """
        layer = self.layers[index]
        values[index + 1] = function(joined([values[s] for s in layer.sources], layer.adds))
        # Features that no later layer reads free their memory at once.
        for value in self.released[index]:
            del values[value]


def joined(sources: Sequence[Tensor], adds: bool) -> Tensor:
    """Join what a layer reads: add it up or concatenate it along the channels.

    Args:
        sources: Features [b, channels, height, width], at least one.
        adds: Whether to add.
    """
    if len(sources) == 1:
        return sources[0]
    if not adds:
        import torch

        return torch.cat(list(sources), 1)

    # Not sum(sources): its start value 0 would add a step.
    total = sources[0]
    for source in sources[1:]:
        total = total + source
    return total


class WiringBuilder:
    """Appends layers to a network and checks the shapes of what they read.

    Args:
        image: Shape of one image, (channels, height, width).

    Example:
        >>> builder = WiringBuilder((3, 8, 8))
        >>> conv = Block("conv", (3, 8, 8), (4, 4, 4), kernel=3, stride=2)
        >>> builder.shape(builder.append(conv, 0))
        (4, 4, 4)
    """

    def __init__(self, image: Shape):
        self._layers: list[WiredLayer] = []
        self._shapes: list[Shape] = [image]
        self._choices = 0

    def shape(self, value: int) -> Shape:
        """Return the shape of a value for one image."""
        return self._shapes[value]

    def append(self, item: Block | ChoiceLayer, *sources: int) -> int:
        """Append a layer and return the number of its output.

        Several sources are added where the layer has as many input channels as each of them, and
        concatenated where it has as many as all together.

        Args:
            item: Fixed block, or choice of blocks. A candidate without blocks passes its input.
            sources: Numbers of the values that it reads.

        Raises:
            ValueError: Shapes do not fit.
        """
        shapes = [self._shapes[source] for source in sources]
        channels = sum(shape[0] for shape in shapes)
        ends = {_ends(blocks, shapes[0]) for blocks in _alternatives(item)}
        if len(ends) != 1:
            raise ValueError(f"the candidates of {item} differ in the shape of input or output")

        start, end = ends.pop()
        adds = len(sources) > 1 and set(shapes) == {start}
        concatenates = start == (channels, *shapes[0][1:]) and len({s[1:] for s in shapes}) == 1
        if not adds and not concatenates:
            raise ValueError(f"{item} cannot read values of the shapes {shapes}")

        self._layers.append(WiredLayer(item, sources, adds))
        self._shapes.append(end)
        return len(self._layers)

    def choice(self, candidates: Mapping[str, tuple[Block, ...]], *sources: int) -> int:
        """Append a choice of the head; keys are `head_1`, `head_2`, ..."""
        self._choices += 1
        return self.append(ChoiceLayer(f"head_{self._choices}", candidates), *sources)

    def wiring(self, outputs: Sequence[int]) -> Wiring:
        """Return the wiring of all layers that were appended.

        Args:
            outputs: Numbers of the values that the network returns.
        """
        return Wiring(tuple(self._layers), tuple(outputs), tuple(self._shapes))


def _alternatives(item: Block | ChoiceLayer) -> Sequence[tuple[Block, ...]]:
    return [(item,)] if isinstance(item, Block) else list(item.candidates.values())


def _ends(blocks: Sequence[Block], source: Shape) -> tuple[Shape, Shape]:
    """Return the shapes of input and output of consecutive blocks; without any, of `source`."""
    return (blocks[0].input, blocks[-1].output) if blocks else (source, source)
