"""Networks of a chain of blocks, and how their weights begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.modules.blocks import build

Initialiser: TypeAlias = Callable[[nn.Module, torch.Generator], None]
"""Sets every parameter of a module from a generator."""

M = TypeVar("M", bound=nn.Module)


class ChainNetwork(nn.Module):
    """Blocks one after the other; `blocks[i]` computes the i-th of the space's
    `blocks(architecture)`.
    """

    def __init__(self, blocks: Sequence[nn.Module]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def chain_network(
    blocks: Sequence[Block], initialise: Initialiser, generator: torch.Generator | None = None
) -> ChainNetwork:
    """A network of `blocks` with fresh weights (generator default: seed 0)."""
    return materialise(
        lambda: ChainNetwork([build(block) for block in blocks]), initialise, generator
    )


def materialise(
    make: Callable[[], M], initialise: Initialiser, generator: torch.Generator | None
) -> M:
    """Build a module without touching the global generator, then initialise it from `generator`."""
    with torch.device("meta"):
        module = make()
    module.to_empty(device="cpu")
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
    with torch.no_grad():
        initialise(module, generator if generator is not None else torch.Generator().manual_seed(0))
    return module


def release_initialiser(module: nn.Module, generator: torch.Generator) -> None:
    """The SPOS release's initialisation: first convolution N(0, 0.01), others N(0, 1/fan), linear
    N(0, 0.01).
    """
    first = True
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            deviation = 0.01 if first else 1.0 / part.weight.shape[1]
            nn.init.normal_(part.weight, 0.0, deviation, generator=generator)
            first = False
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0.0, 0.01, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d) and part.affine:
            nn.init.ones_(part.weight)
            nn.init.constant_(part.bias, 1e-4)


@dataclass(frozen=True)
class FanOutInitialiser:
    """He's initialisation by outgoing connections, as the MobileNet-like releases begin; linear
    layers N(0, 0.01).

    Args:
        epsilon: of batch normalisation.
        momentum: of batch normalisation.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1

    def __call__(self, module: nn.Module, generator: torch.Generator) -> None:
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(
                    part.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
            elif isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, 0.0, 0.01, generator=generator)
            elif isinstance(part, nn.BatchNorm2d):
                part.eps, part.momentum = self.epsilon, self.momentum
                if part.affine:
                    nn.init.ones_(part.weight)
                    nn.init.zeros_(part.bias)
            if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
