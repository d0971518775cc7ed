"""Supernets: networks with the weights of every candidate, which execute one path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.modules.blocks import build
from spaces.modules.choices import LayerChoice
from spaces.modules.network import Initialiser, materialise

if TYPE_CHECKING:
    from spaces.chains.chain import ChainSpace
    from spaces.chains.resolution import SizedSpaces
    from spaces.heads.wiring import Wiring
    from spaces.space import SearchSpace


class Supernet(nn.Module, ABC):
    """A network with the weights of every candidate that runs one architecture at a time.

    Args:
        space: Space whose architectures it runs.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> supernet = space.supernet(num_classes=3)
        >>> supernet.activate([0, 1, 2, 3, 0, 1])
        >>> supernet(torch.zeros(2, *space.input_shape)).shape
        torch.Size([2, 3])
    """

    is_sequential = False
    """Whether networks are sequences of modules; see `sequence`."""

    def __init__(self, space: SearchSpace):
        super().__init__()
        self.space = space

    def activate(self, architecture: Architecture | Sequence[int] | NDArray[Any]) -> None:
        """Let the forward pass run an architecture, given as an object or as codes [choices]."""
        if isinstance(architecture, Architecture):
            # Both ways check the architecture and bring it into canonical form.
            codes = self.space.encode([architecture])
        else:
            codes = self.space.check(np.asarray(architecture)[None])
        self._activate(codes[0])

    @abstractmethod
    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        """Activate checked codes [choices]."""

    @abstractmethod
    def path(self) -> list[nn.Module]:
        """Return the modules that the active architecture executes, in order.

        Modules without weights or statistics may be left out.
        """

    def sequence(self) -> list[nn.Module]:
        """Return modules that run the active architecture, each on the previous one's output.

        Architectures with equal first choices have the same first modules. Only supernets that are
        `is_sequential` have a sequence.
        """
        return self.path()


class WiredStep(nn.Module):
    """One layer of a network with a head, which takes and returns the values that are still read.

    Args:
        wiring: All layers.
        index: Index of the layer.
        module: Module of the layer.
        collector: Turns the output values into the result after the last layer; None: it is not
            the last.
    """

    def __init__(self, wiring: Wiring, index: int, module: nn.Module, collector: nn.Module | None):
        super().__init__()
        self.wiring = wiring
        self.index = index
        self.module = module
        self.collector = collector

    def forward(self, values: Tensor | dict[int, Tensor]) -> Any:
        """Return the values after the layer, number -> value, or the result after the last one."""
        # The first layer takes the image alone.
        values = {0: values} if isinstance(values, Tensor) else dict(values)
        self.wiring.advance(values, self.index, self.module)
        if self.collector is None:
            return values
        return self.collector([values[number] for number in self.wiring.outputs])


class ChainSupernet(Supernet):
    """Fixed modules and LayerChoices, one after the other, or as the space's head wires them.

    Args:
        space: Space whose architectures it runs.
        layers: Fixed modules and LayerChoices, in the order of execution.
        num_classes: Number of classes of the last layers. None: the space's.
    """

    is_sequential = True

    def __init__(
        self, space: ChainSpace, layers: Sequence[nn.Module], num_classes: int | None = None
    ):
        super().__init__(space)
        self.num_classes = num_classes or space.num_classes
        self.layers = nn.ModuleList(layers)
        self.choices = [layer for layer in layers if isinstance(layer, LayerChoice)]

        # Not submodules: their modules would be in state dicts twice.
        self.__dict__["steps"] = {}
        self.geometry = space.head_geometry()
        self.wiring: Wiring | None = None
        if space.attached is not None:
            self.wiring = space.attached.wiring(self.num_classes)
            self.collector = space.attached.head.collector(self.wiring, self.geometry)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        for choice, code in zip(self.choices, codes, strict=True):
            choice.activate(int(code))

    def forward(self, x: Tensor) -> Any:
        if self.wiring is not None:
            return self.collector(self.wiring.run(list(self.layers), x))

        for layer in self.layers:
            x = layer(x)
        return x

    def sequence(self) -> list[nn.Module]:
        """Return modules that run the active architecture, each on the previous one's output."""
        if self.wiring is None:
            return self.path()

        steps: dict[tuple[int, int], WiredStep] = self.__dict__["steps"]
        sequence: list[nn.Module] = []
        for index, (layer, module) in enumerate(zip(self.layers, self.path(), strict=True)):
            active = (layer.active or 0) if isinstance(layer, LayerChoice) else 0
            # The same step for each path with this module, by which paths find what they share.
            if (index, active) not in steps:
                collector = self.collector if index == len(self.layers) - 1 else None
                steps[index, active] = WiredStep(self.wiring, index, module, collector)
            sequence.append(steps[index, active])

        return sequence

    def path(self) -> list[nn.Module]:
        """Return the modules that the active architecture executes, in order."""
        return [
            layer.candidates[layer.active]
            if isinstance(layer, LayerChoice) and layer.active is not None
            else layer
            for layer in self.layers
        ]


class BlockSequence(nn.Sequential):
    """The blocks of a candidate that has several, or none."""


def resized(images: Tensor, side: int) -> Tensor:
    """Return images [b, channels, side, side] in bilinear interpolation.

    Args:
        images: Images [b, channels, height, width]; those of this size are returned unchanged.
        side: Height and width in pixels.

    Example:
        >>> resized(torch.zeros(1, 3, 8, 8), 6).shape
        torch.Size([1, 3, 6, 6])
    """
    if tuple(images.shape[-2:]) == (side, side):
        return images
    return nn.functional.interpolate(
        images, (side, side), mode="bilinear", align_corners=False, antialias=True
    )


class ResizingSupernet(Supernet):
    """A supernet that resizes images to the active resolution.

    Args:
        space: Space whose architectures it runs; its first choice is the resolution.
        inner: Supernet of the other choices.
    """

    def __init__(self, space: SizedSpaces, inner: Supernet):
        super().__init__(space)
        self.inner = inner
        self.resolutions = space.resolutions
        self.resolution = max(space.resolutions)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        self.resolution = self.resolutions[int(codes[0])]
        # Column 0 is the resolution.
        self.inner.activate(codes[1:])

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(resized(x, self.resolution))
        return result

    def path(self) -> list[nn.Module]:
        """Return the modules that the active architecture executes, in order."""
        return self.inner.path()


def chain_supernet(
    space: ChainSpace,
    num_classes: int | None,
    initialise: Initialiser,
    generator: torch.Generator | None = None,
) -> ChainSupernet:
    """Build the supernet of a chain, without scale and shift in batch normalisation.

    Args:
        space: Chain whose architectures it runs.
        num_classes: Number of classes. None: the space's.
        initialise: Initialiser of the weights.
        generator: Source of the weights. None: a new one with seed 0.
    """

    def candidate(blocks: Sequence[Block]) -> nn.Module:
        modules = [build(block, affine=False) for block in blocks]

        # A Sequential around a single module would lengthen its name in checkpoints.
        return modules[0] if len(modules) == 1 else BlockSequence(*modules)

    def make() -> ChainSupernet:
        layers: list[nn.Module] = []
        for item in space.layout_for(num_classes):
            if isinstance(item, Block):
                layers.append(build(item, affine=False))
            else:
                modules = {name: candidate(blocks) for name, blocks in item.candidates.items()}
                layers.append(LayerChoice(modules, key=item.key))

        return ChainSupernet(space, layers, num_classes)

    return materialise(make, space.supernet_initialiser(initialise, num_classes), generator)
