"""A head behind the backbone of a chain space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.heads.head import Head
from spaces.heads.registry import CLASSIFIER, HEADS, make_head
from spaces.heads.wiring import Wiring, WiringBuilder
from spaces.operators.layers import Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spaces.heads.geometry import BoxGeometry
    from spaces.modules.network import Initialiser, WiredNetwork


@dataclass(frozen=True)
class AttachedHead:
    """A head with the backbone whose features it reads.

    Layers of the backbone after the last feature that the head reads are left out.

    Args:
        head: Head.
        backbone: Layers of the backbone, each of which reads the previous one.
        image: Shape of one image, (channels, height, width).

    Example:
        >>> from spaces.heads import make_head
        >>> backbone = [
        ...     Block("conv", (3, 32, 32), (8, 16, 16), kernel=3, stride=2),
        ...     Block("conv", (8, 16, 16), (16, 8, 8), kernel=3, stride=2),
        ... ]
        >>> attached = AttachedHead(make_head("ssdlite(channels=(16,))"), backbone, (3, 32, 32))
        >>> attached.strides
        (2, 4)
        >>> [(level.height, level.stride) for level in attached.geometry.levels]
        [(16, 2), (8, 4), (4, 8)]
    """

    head: Head
    backbone: Sequence[Block | ChoiceLayer]
    image: Shape

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """The strides whose features the head reads, in ascending order."""
        return self.head.taps(tuple(self._tap_of_stride))

    def wiring(self, num_classes: int) -> Wiring:
        """Return the layers of backbone and head for a number of classes."""
        builder = WiringBuilder(self.image)
        taps = [self._tap_of_stride[stride] for stride in self.strides]

        # Layer i of a chain reads value i and computes value i + 1.
        for value, item in enumerate(self.backbone[: max(taps)]):
            builder.append(item, value)

        return builder.wiring(self.head.blocks(builder, taps, num_classes))

    @cached_property
    def geometry(self) -> BoxGeometry | None:
        """Where predictions lie in the image, which the number of classes does not change."""
        return self.head.geometry(self.wiring(1), self.strides)

    def waiting_values(self, wiring: Wiring) -> WaitingValues:
        """Return how many values wait while each layer of a network runs."""
        fixed = []
        layers = []
        inputs = []
        for layer, waiting in zip(wiring.layers, wiring.waiting, strict=True):
            if isinstance(layer.item, Block):
                fixed.append(waiting)
                continue

            layers.append(waiting)
            (shape,) = {blocks[0].input for blocks in layer.item.candidates.values() if blocks}
            inputs.append(math.prod(shape))

        # Boxes are arranged by location and then concatenated, which copies them twice.
        outputs = sum(math.prod(wiring.shapes[value]) for value in wiring.outputs)
        copies = 1 if self.geometry is None else 3
        return WaitingValues(tuple(fixed), tuple(layers), tuple(inputs), copies * outputs)

    def initialiser(self, initialise: Initialiser, wiring: Wiring, layers: _Layers) -> Initialiser:
        """Return an initialiser that also sets the weights which are particular to the head.

        Args:
            initialise: Initialiser of the backbone.
            wiring: Layers of the network.
            layers: Function of the network that returns the module of each layer.
        """

        def initialise_all(module: nn.Module, generator: torch.Generator) -> None:
            initialise(module, generator)
            self.head.initialise(wiring, layers(module), generator)

        return initialise_all

    @cached_property
    def _tap_of_stride(self) -> dict[int, int]:
        """Stride -> number of the last value of the backbone with this stride."""
        taps: dict[int, int] = {}
        stride = 1
        for index, item in enumerate(self.backbone):
            stride *= _stride(item)
            taps[stride] = index + 1
        return taps


@dataclass(frozen=True)
class WaitingValues:
    """Numbers of values of one image that networks hold in addition to those of a running block.

    Args:
        fixed: While each fixed block runs, in the order of `SearchSpace.fixed_blocks`.
        layers: While a candidate's first block runs, in the order of `SearchSpace.choice_layers`.
        inputs: Values of the layer's input, which its further blocks hold in addition to those.
        result: Values that the network holds at most while it arranges its result.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny(head=mask)")
        >>> waiting = space.waiting_values
        >>> len(waiting.layers) == len(space.choice_layers)
        True
        >>> waiting.layers[0]  # While the first layers run, none waits.
        0
    """

    fixed: tuple[int, ...]
    layers: tuple[int, ...]
    inputs: tuple[int, ...]
    result: int


@dataclass(frozen=True)
class WiredBlocks:
    """The blocks of one network with a head.

    Args:
        attached: Head with its backbone.
        wiring: All layers.
        blocks: Selected blocks of each layer; a skipped layer has none.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny(head=mask(widths=(16,)))")
        >>> wired = space.wired_blocks(space.architecture([0] * len(space.choices)))
        >>> [str(block) for block in wired.blocks[-1]]
        ['resize_bilinear 21x8x8 -> 21x32x32']
        >>> wired.wiring.layers[-1].adds
        True
    """

    attached: AttachedHead
    wiring: Wiring
    blocks: tuple[tuple[Block, ...], ...]

    def network(self, modules: Sequence[Sequence[nn.Module]]) -> WiredNetwork:
        """Return the network of the modules of each layer's blocks."""
        from spaces.modules.network import WiredNetwork

        geometry = self.attached.geometry
        collector = self.attached.head.collector(self.wiring, geometry)
        return WiredNetwork(self.wiring, modules, collector, geometry)


def attach(text: str, backbone: Sequence[Block | ChoiceLayer], image: Shape) -> AttachedHead | None:
    """Return the head of a name behind a backbone; None for the classifier of published spaces.

    Args:
        text: Name of the head, with options in parentheses or without.
        backbone: Layers of the backbone, each of which reads the previous one.
        image: Shape of one image, (channels, height, width).

    Raises:
        UnknownName: There is no such head.
        InvalidParameter: An option is not accepted, or does not fit the backbone.

    Example:
        >>> backbone = [Block("conv", (3, 32, 32), (8, 16, 16), kernel=3, stride=2)]
        >>> attach("ssdlite(taps=(2,))", backbone, (3, 32, 32)).strides
        (2,)
        >>> attach("classifier", backbone, (3, 32, 32)) is None
        True
    """
    if HEADS.parse(text)[0] == CLASSIFIER:
        return None

    attached = AttachedHead(make_head(text), tuple(backbone), image)
    # Computed now, so that an option that does not fit the backbone is an error of the space.
    _ = attached.strides
    return attached


_Layers = Callable[["nn.Module"], Sequence["nn.Module"]]


def _stride(item: Block | ChoiceLayer) -> int:
    # All candidates have the same output, and so the same stride; the identity has stride 1.
    blocks = [item] if isinstance(item, Block) else next(filter(None, item.candidates.values()), ())
    return math.prod(block.stride or 1 for block in blocks)
