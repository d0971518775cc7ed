"""Torch with its compiler: blocks compiled one by one."""

from __future__ import annotations

from torch import nn

from profiler.backends.base import Conditions, Runner
from profiler.backends.chains import chain_blocks
from profiler.backends.torch_eager import TorchEager
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.space import SearchSpace


class TorchCompile(TorchEager):
    """Runs networks of compiled blocks.

    Each block is compiled once and all networks share it (regional compilation, as torch's own guide recommends for
    repeated parts): a whole network takes the compiler minutes, and a table needs hundreds. What the compiler would
    join across blocks stays apart here, so that networks compiled whole may be faster.
    """

    def __init__(self, device: str, batch: int = 1, precision: str = "fp32", seed: int = 0):
        super().__init__(device, batch, precision, seed)
        self.name = "torch-compile"

    @classmethod
    def of(cls, conditions: Conditions) -> TorchCompile:
        """The backend under conditions."""
        return cls(conditions.device, conditions.batch, conditions.precision, conditions.seed)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """A runner for an architecture's network.

        Raises:
            UnsupportedConditions: the space's networks are no chains of blocks.
        """
        if chain_blocks(space, architecture) is None:
            raise UnsupportedConditions(f"torch-compile runs chains of blocks; {space.name} is none; use torch")
        return super().network_runner(space, architecture)

    def _module(self, place: int, block: Block) -> nn.Module:
        fresh = (place, block.key) not in self._modules
        module = super()._module(place, block)
        if fresh:
            module.compile(dynamic=False)
        return module
