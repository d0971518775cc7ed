"""Blocks as torch modules, built from the same description that counts their MACs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import UnknownName
from spaces.layers import Activation, BatchNorm, Branch, Conv, Dropout, GlobalPool, Layer, Linear
from spaces.operators import operator

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "hswish": lambda: nn.Hardswish(inplace=True),
}


def build(block: Block, affine: bool = True) -> nn.Module:
    """The module that computes a block.

    Args:
        block: what to build.
        affine: whether batch normalisation learns scale and shift (not in a supernet).
    """
    branches = {
        name: sequential(layers, affine) for name, (layers, _) in operator(block.operator).branches(block).items()
    }
    if block.operator in ("shuffle", "xception"):
        return ShuffleBlock(branches["main"], branches.get("proj"))
    return branches["main"]


def sequential(layers: Branch, affine: bool) -> nn.Sequential:
    """Primitive layers as a torch Sequential with the same indices."""
    return nn.Sequential(*(_layer(layer, affine) for layer in layers))


def _layer(layer: Layer, affine: bool) -> nn.Module:
    match layer:
        case Conv():
            return nn.Conv2d(
                layer.inputs,
                layer.outputs,
                layer.kernel,
                layer.stride,
                layer.kernel // 2,
                groups=layer.groups,
                bias=False,
            )
        case BatchNorm():
            return nn.BatchNorm2d(layer.channels, affine=affine)
        case Activation():
            if layer.name not in ACTIVATIONS:
                raise UnknownName("activation", layer.name, ACTIVATIONS)
            return ACTIVATIONS[layer.name]()
        case GlobalPool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Dropout():
            return nn.Dropout(layer.probability)
        case Linear():
            return nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)


class ShuffleBlock(nn.Module):
    """ShuffleNetV2 block as in the SPOS release.

    Stride 1: even channels pass, odd channels go through the main branch, both are concatenated.
    Stride 2: the whole input goes through the projection and through the main branch.

    Args:
        main: the main branch.
        proj: the projection of a strided block.
    """

    def __init__(self, main: nn.Sequential, proj: nn.Sequential | None = None):
        super().__init__()
        self.branch_main = main
        self.branch_proj = proj

    def forward(self, x: Tensor) -> Tensor:
        if self.branch_proj is not None:
            return torch.cat((self.branch_proj(x), self.branch_main(x)), 1)
        count, channels, height, width = x.shape
        pairs = x.view(count, channels // 2, 2, height, width)
        # A contiguous copy of the odd channels: convolutions on a strided view are several times slower.
        return torch.cat((pairs[:, :, 0], self.branch_main(pairs[:, :, 1].contiguous())), 1)
