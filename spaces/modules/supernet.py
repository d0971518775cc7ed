"""Supernets: every candidate's weights, one path executed."""

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
    from spaces.chains.chain import ChainSpace, Layout
    from spaces.chains.resolution import ResolutionSpace
    from spaces.space import SearchSpace


class Supernet(nn.Module, ABC):
    """A network that holds every candidate and runs one architecture at a time.

    Args:
        space: the space whose architectures it runs.
    """

    is_sequential = False
    """Whether the modules of `path` run one after the other, each on the previous one's output."""

    def __init__(self, space: SearchSpace):
        super().__init__()
        self.space = space

    def activate(self, architecture: Architecture | Sequence[int] | NDArray[Any]) -> None:
        """Make the forward pass run this architecture (an Architecture, or its codes [choices])."""
        if isinstance(architecture, Architecture):
            codes = self.space.encode([architecture])
        else:
            codes = self.space.check(np.asarray(architecture)[None])
        self._activate(codes[0])

    @abstractmethod
    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        """Activate checked codes [choices]."""

    @abstractmethod
    def path(self) -> list[nn.Module]:
        """The modules with weights or statistics that the active architecture executes, in
        order.
        """


class ChainSupernet(Supernet):
    """Fixed blocks and LayerChoices one after the other.

    Args:
        space: the space whose architectures it runs.
        layers: fixed modules and LayerChoices in the order of execution.
    """

    is_sequential = True

    def __init__(self, space: SearchSpace, layers: Sequence[nn.Module]):
        super().__init__(space)
        self.layers = nn.ModuleList(layers)
        self.choices = [layer for layer in layers if isinstance(layer, LayerChoice)]

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        for choice, code in zip(self.choices, codes, strict=True):
            choice.activate(int(code))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def path(self) -> list[nn.Module]:
        """The modules that the active architecture executes, in order."""
        return [
            layer.candidates[layer.active]
            if isinstance(layer, LayerChoice) and layer.active is not None
            else layer
            for layer in self.layers
        ]


class ResizingSupernet(Supernet):
    """The supernet of a space with elastic resolution: images are resized to the active one.

    Args:
        space: the space whose architectures it runs; its first choice is the resolution.
        inner: the supernet of the other choices.
    """

    def __init__(self, space: ResolutionSpace, inner: Supernet):
        super().__init__(space)
        self.inner = inner
        self.resolutions = space.resolutions
        self.resolution = max(space.resolutions)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        self.resolution = self.resolutions[int(codes[0])]
        self.inner.activate(codes[1:])

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.resolution or x.shape[-2] != self.resolution:
            size = (self.resolution, self.resolution)
            x = nn.functional.interpolate(
                x, size, mode="bilinear", align_corners=False, antialias=True
            )
        result: Tensor = self.inner(x)
        return result

    def path(self) -> list[nn.Module]:
        """The modules that the active architecture executes, in order."""
        return self.inner.path()


def chain_supernet(
    space: ChainSpace,
    layout: Layout,
    initialise: Initialiser,
    generator: torch.Generator | None = None,
) -> ChainSupernet:
    """The supernet of a chain, with batch normalisation that learns no scale and shift."""

    def candidate(blocks: Sequence[Block]) -> nn.Module:
        modules = [build(block, affine=False) for block in blocks]
        return modules[0] if len(modules) == 1 else nn.Sequential(*modules)

    def make() -> ChainSupernet:
        layers: list[nn.Module] = []
        for part in layout:
            if isinstance(part, Block):
                layers.append(build(part, affine=False))
            else:
                modules = {name: candidate(blocks) for name, blocks in part.candidates.items()}
                layers.append(LayerChoice(modules, part.key))
        return ChainSupernet(space, layers)

    return materialise(make, initialise, generator)
