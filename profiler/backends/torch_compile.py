"""Torch with its compiler, applied to single blocks."""

from __future__ import annotations

from torch import nn

from profiler.backends.torch_eager import TorchEager
from spaces.block import Block


class TorchCompile(TorchEager):
    """Runs networks of compiled blocks.

    Each block is compiled once and all networks share it (regional compilation, which torch's guide
    recommends for repeated modules): a whole network takes the compiler minutes, and a table needs
    hundreds. The compiler cannot fuse operations across blocks, so that networks compiled as a
    whole may be faster.
    """

    chains_only = True

    def __init__(self, device: str, batch: int = 1, precision: str = "fp32", seed: int = 0):
        super().__init__(device, batch, precision, seed)
        self.name = "torch-compile"

    def renew(self) -> None:
        """Retain the modules: compiling them again would take longer than the measurement."""

    def _module(self, position: int, block: Block) -> nn.Module:
        is_new = (position, block.key) not in self._modules
        module = super()._module(position, block)
        if is_new:
            module.compile(dynamic=False)
        return module
