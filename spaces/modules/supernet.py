"""The supernet of a chain space: every candidate's weights, one path executed."""

from __future__ import annotations

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
    from spaces.chain import ChainSpace, Layout


class Supernet(nn.Module):
    """Fixed blocks and LayerChoices one after the other.

    Args:
        space: the space whose architectures it runs.
        layers: fixed modules and LayerChoices in the order of execution.
    """

    def __init__(self, space: ChainSpace, layers: Sequence[nn.Module]):
        super().__init__()
        self.space = space
        self.layers = nn.ModuleList(layers)
        self.choices = [layer for layer in layers if isinstance(layer, LayerChoice)]

    def activate(self, architecture: Architecture | Sequence[int] | NDArray[Any]) -> None:
        """Make the forward pass run this architecture (an Architecture, or its codes [choices])."""
        if isinstance(architecture, Architecture):
            codes = self.space.encode([architecture])
        else:
            codes = self.space.check(np.asarray(architecture)[None])
        for choice, code in zip(self.choices, codes[0], strict=True):
            choice.activate(int(code))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def path(self) -> list[nn.Module]:
        """The modules that the active architecture executes, in order."""
        return [
            layer.candidates[layer.active] if isinstance(layer, LayerChoice) and layer.active is not None else layer
            for layer in self.layers
        ]


def chain_supernet(
    space: ChainSpace, layout: Layout, initialise: Initialiser, generator: torch.Generator | None = None
) -> Supernet:
    """The supernet of a chain, with batch normalisation that learns no scale and shift."""

    def candidate(blocks: Sequence[Block]) -> nn.Module:
        modules = [build(block, affine=False) for block in blocks]
        return modules[0] if len(modules) == 1 else nn.Sequential(*modules)

    def make() -> Supernet:
        layers: list[nn.Module] = []
        for part in layout:
            if isinstance(part, Block):
                layers.append(build(part, affine=False))
            else:
                modules = {name: candidate(blocks) for name, blocks in part.candidates.items()}
                layers.append(LayerChoice(modules, part.key))
        return Supernet(space, layers)

    return materialise(make, initialise, generator)
