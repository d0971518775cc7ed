"""Networks that are chains of blocks, and initialisers of their weights."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.modules.blocks import WeightedMean, build
from spaces.modules.text import Rotation

if TYPE_CHECKING:
    from spaces.heads.attached import WiredBlocks
    from spaces.heads.geometry import BoxGeometry
    from spaces.heads.wiring import Wiring

Initialiser: TypeAlias = Callable[[nn.Module, torch.Generator], None]
"""Function that sets every parameter of a module from a generator."""

M = TypeVar("M", bound=nn.Module)


class ChainNetwork(nn.Module):
    """Modules one after the other.

    Args:
        blocks: Modules, of which the i-th computes the i-th of the space's `blocks(architecture)`.
    """

    def __init__(self, blocks: Sequence[nn.Module]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        """Return the features after each block that returns images."""
        outputs = []
        for block in self.blocks:
            x = block(x)
            if x.dim() == 4:
                outputs.append(x)
        return outputs


class WiredNetwork(nn.Module):
    """A network with a head, whose layers read what its wiring says.

    Args:
        wiring: All layers.
        modules: Modules of the selected blocks of each layer.
        collector: Turns the output values into the result.
        geometry: Where predicted boxes lie in the image; None: there are none.
    """

    def __init__(
        self,
        wiring: Wiring,
        modules: Sequence[Sequence[nn.Module]],
        collector: nn.Module,
        geometry: BoxGeometry | None,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(module for selected in modules for module in selected)
        self.collector = collector
        self.wiring = wiring
        self.geometry = geometry
        self._counts = [len(selected) for selected in modules]

    def layers(self) -> list[list[nn.Module]]:
        """Return the modules of each layer of the wiring; a skipped layer has none."""
        blocks = iter(self.blocks)
        return [list(itertools.islice(blocks, count)) for count in self._counts]

    def forward(self, x: Tensor) -> Any:
        return self.collector(self.wiring.run(self._functions(), x))

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        """Return the features after each layer that is not skipped."""
        executed = [index + 1 for index, count in enumerate(self._counts) if count]
        return dataclasses.replace(self.wiring, outputs=tuple(executed)).run(self._functions(), x)

    def _functions(self) -> list[Callable[[Tensor], Tensor]]:
        return [functools.partial(_run_in_order, modules) for modules in self.layers()]


def _run_in_order(modules: Sequence[nn.Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x


def chain_network(
    blocks: Sequence[Block], initialise: Initialiser, generator: torch.Generator | None = None
) -> ChainNetwork:
    """Build a network of `blocks`, initialised from `generator` (None: seed 0)."""
    return materialise(
        lambda: ChainNetwork([build(block) for block in blocks]), initialise, generator
    )


def wired_network(
    wired: WiredBlocks, initialise: Initialiser, generator: torch.Generator | None = None
) -> WiredNetwork:
    """Build a network with a head.

    Args:
        wired: Selected blocks.
        initialise: Initialiser of the weights.
        generator: Source of the weights. None: a new one with seed 0.
    """

    def make() -> WiredNetwork:
        return wired.network([[build(block) for block in selected] for selected in wired.blocks])

    initialise_all = wired.attached.initialiser(initialise, wired.wiring, _layers_of)
    return materialise(make, initialise_all, generator)


def _layers_of(module: nn.Module) -> list[nn.Module]:
    assert isinstance(module, WiredNetwork)
    # Each layer as one module, which shares its parameters with the network.
    return [nn.ModuleList(modules) for modules in module.layers()]


def materialise(
    make: Callable[[], M], initialise: Initialiser, generator: torch.Generator | None
) -> M:
    """Build a module without the global generator, then initialise it.

    Args:
        make: Function that builds the module, on torch's meta device.
        initialise: Initialiser of its weights.
        generator: Source of the weights. None: a new one with seed 0.
    """
    # On the meta device, torch's own initialisation draws no random numbers and takes no time.
    with torch.device("meta"):
        module = make()

    # Memory is allocated without a value.
    module.to_empty(device="cpu")
    for submodule in module.modules():
        if isinstance(submodule, nn.BatchNorm1d | nn.BatchNorm2d):
            submodule.reset_running_stats()
        # No initialiser of a backbone knows them.
        elif isinstance(submodule, WeightedMean | Rotation):
            submodule.reset_parameters()

    if generator is None:
        generator = torch.Generator().manual_seed(0)

    with torch.no_grad():
        initialise(module, generator)

    return module


def release_initialiser(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise as the SPOS release does.

    The first convolution and linear layers are N(0, 0.01^2), other convolutions N(0, 1/channels^2).
    """
    first = True
    for submodule in module.modules():
        if isinstance(submodule, nn.Conv2d):
            # As in the release: only the first convolution has a fixed deviation.
            deviation = 0.01 if first else 1.0 / submodule.weight.shape[1]
            nn.init.normal_(submodule.weight, 0.0, deviation, generator=generator)
            if submodule.bias is not None:
                nn.init.zeros_(submodule.bias)
            first = False
        elif isinstance(submodule, nn.Linear):
            nn.init.normal_(submodule.weight, 0.0, 0.01, generator=generator)
            if submodule.bias is not None:
                nn.init.zeros_(submodule.bias)
        elif isinstance(submodule, nn.BatchNorm2d) and submodule.affine:
            nn.init.ones_(submodule.weight)
            nn.init.constant_(submodule.bias, 1e-4)


@dataclass(frozen=True)
class FanOutInitialiser:
    """He's initialisation by outgoing connections, as in MobileNet-like releases.

    Linear layers are N(0, 0.01^2).

    Args:
        epsilon: Constant that batch normalisation adds to variances.
        momentum: Weight of a new batch in the statistics of batch normalisation.
    """

    epsilon: float = 1e-5
    momentum: float = 0.1

    def __call__(self, module: nn.Module, generator: torch.Generator) -> None:
        for submodule in module.modules():
            if isinstance(submodule, nn.Conv2d):
                nn.init.kaiming_normal_(
                    submodule.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
            elif isinstance(submodule, nn.Linear):
                nn.init.normal_(submodule.weight, 0.0, 0.01, generator=generator)
            elif isinstance(submodule, nn.BatchNorm2d):
                submodule.eps = self.epsilon
                submodule.momentum = self.momentum
                if submodule.affine:
                    nn.init.ones_(submodule.weight)
                    nn.init.zeros_(submodule.bias)

            if isinstance(submodule, nn.Conv2d | nn.Linear) and submodule.bias is not None:
                nn.init.zeros_(submodule.bias)
