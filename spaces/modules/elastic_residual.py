"""Supernets of residual networks, whose widths and groups share the first channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.block import Block
from spaces.modules.cells import CellSupernet
from spaces.modules.elastic import ElasticConv, elastic_layer
from spaces.operators import operator
from spaces.operators.layers import (
    Branch,
    Conv,
)


class ElasticResidual(nn.Module):
    """A residual block of the first channels of the widest one.

    Args:
        main: Main branch, of elastic layers.
        proj: Projection, which blocks that keep the shape leave out.
    """

    def __init__(self, main: nn.Sequential, proj: nn.Sequential | None):
        super().__init__()
        self.main = main
        self.proj = proj
        self.projects = proj is not None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.proj(x) if self.proj is not None and self.projects else x
        result: Tensor = nn.functional.relu(shortcut + self.main(x))
        return result


class ResidualSupernet(CellSupernet):
    """A supernet of residual networks whose layers take the widths of the active architecture.

    Args:
        space: Space whose architectures it runs.
        num_classes: Number of classes of the classifier. None: the space's.
    """

    def candidate(self, block: Block) -> nn.Module:
        """Build the module of a block, whose layers are elastic."""
        branches = {
            name: nn.Sequential(*map(elastic_layer, layers))
            for name, (layers, _) in operator(block.operator).branches(block).items()
        }
        if operator(block.operator).arrangement == "residual":
            return ElasticResidual(branches["main"], branches.get("proj"))
        return branches["main"]

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        super()._activate(codes)
        for step, module in zip(self._active().applied, self.path(), strict=True):
            branches = operator(step.block.operator).branches(step.block)
            for name, (layers, _) in branches.items():
                _set_sizes(layers, _branch(module, name))
            if isinstance(module, ElasticResidual):
                module.projects = "proj" in branches


def _branch(module: nn.Module, name: str) -> nn.Module:
    """Return a branch of a residual block; of other blocks the module, which is their only one."""
    if not isinstance(module, ElasticResidual):
        return module
    branch = module.main if name == "main" else module.proj
    assert branch is not None
    return branch


def _set_sizes(layers: Branch, module: nn.Module) -> None:
    """Set the output channels and groups of elastic convolutions to those of layers."""
    sizes: Iterator[Conv] = (layer for layer in layers if isinstance(layer, Conv))
    convolutions = (layer for layer in module.modules() if isinstance(layer, ElasticConv))
    for size, convolution in zip(sizes, convolutions, strict=True):
        convolution.active = size.outputs
        convolution.active_groups = size.groups
