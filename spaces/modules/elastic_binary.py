"""Supernets of binary cells, whose stages share weights between their widths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.block import Block
from spaces.modules.binary import BinaryConv2d
from spaces.modules.blocks import SumBlock
from spaces.modules.cells import CellSupernet
from spaces.modules.elastic import ElasticConv, elastic_layer
from spaces.operators import operator
from spaces.operators.layers import (
    BinaryConv,
    Layer,
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
            name: nn.Sequential(*map(_layer, layers))
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


def _layer(layer: Layer) -> nn.Module:
    match layer:
        case BinaryConv():
            return ElasticBinaryConv(layer)
        case Pool():
            return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding())
        case _:
            return elastic_layer(layer)
