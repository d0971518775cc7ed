"""Supernets of binary cells, whose stages share weights between their widths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import InvalidBlock
from spaces.modules.binary import BinaryConv2d
from spaces.modules.blocks import ACTIVATIONS, SumBlock
from spaces.modules.cells import CellSupernet
from spaces.modules.elastic import ElasticBatchNorm, ElasticConv, ElasticLinear
from spaces.operators import operator
from spaces.operators.layers import (
    Activation,
    BatchNorm,
    BinaryConv,
    Branch,
    Conv,
    GlobalPool,
    Layer,
    Linear,
    Pool,
)


class ElasticBinaryConv(BinaryConv2d):
    """A binary convolution of its input's channels with the first `active` output channels.

    Args:
        layer: Largest convolution.
    """

    def __init__(self, layer: BinaryConv):
        super().__init__(layer)
        self.active = layer.outputs

    def forward(self, x: Tensor) -> Tensor:
        self.clamp()
        # The scale is the mean of the weights that the width has.
        weight = self.binarised(self.weight[: self.active, : x.shape[1]])
        result: Tensor = self._conv_forward(self.binary_input(x), weight, None)
        return result


class BinaryCellSupernet(CellSupernet):
    """A supernet of binary cells whose layers take the widths of the active architecture.

    Args:
        space: Space whose architectures it runs.
        num_classes: Number of classes of the classifier. None: the space's.
    """

    def candidate(self, block: Block) -> nn.Module:
        """Build the module of a block, whose layers are elastic."""
        branches = {
            name: _elastic(layers)
            for name, (layers, _) in operator(block.operator).branches(block).items()
        }
        return SumBlock(**branches) if len(branches) == 2 else branches["main"]

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        super()._activate(codes)
        # A plan names the width of each block.
        for step, module in zip(self._active().applied, self.path(), strict=True):
            for layer in module.modules():
                if isinstance(layer, ElasticConv | ElasticBinaryConv):
                    layer.active = step.block.output[0]


def _elastic(layers: Branch) -> nn.Sequential:
    return nn.Sequential(*map(_layer, layers))


def _layer(layer: Layer) -> nn.Module:
    match layer:
        case Conv():
            return ElasticConv(layer)
        case BinaryConv():
            return ElasticBinaryConv(layer)
        case BatchNorm():
            return ElasticBatchNorm(layer.channels)
        case Activation():
            # Not in place: other blocks may read the input too.
            return ACTIVATIONS[layer.name](False)
        case Pool():
            return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding())
        case GlobalPool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Linear():
            return ElasticLinear(layer.inputs, layer.outputs, layer.bias)
        case _:
            raise InvalidBlock(f"{layer}: no layer of binary cells has several widths of it")
