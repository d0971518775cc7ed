"""Torch with its compiler: blocks compiled one by one."""

from __future__ import annotations

from torch import nn

from profiler.backends.torch_eager import TorchEager
from spaces.block import Block


class TorchCompile(TorchEager):
    """Runs networks of compiled blocks.

    Each block is compiled once and all networks share it (regional compilation, as torch's own
    guide recommends for repeated parts): a whole network takes the compiler minutes, and a table
    needs hundreds. What the compiler would join across blocks stays apart here, so that networks
    compiled whole may be faster.
    """

    chains_only = True

    def __init__(self, device: str, batch: int = 1, precision: str = "fp32", seed: int = 0):
        super().__init__(device, batch, precision, seed)
        self.name = "torch-compile"

    def renew(self) -> None:
        """Keep the modules: compiling them again would take longer than all that is measured."""

    def _module(self, place: int, block: Block) -> nn.Module:
        fresh = (place, block.key) not in self._modules
        module = super()._module(place, block)
        if fresh:
            module.compile(dynamic=False)
        return module
