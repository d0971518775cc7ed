"""Operators of cells: NAS-Bench-201 and DARTS put the activation before the convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import Activation, BatchNorm, Branch, Conv, Pool, Shape

if TYPE_CHECKING:
    from spaces.block import Block


def _relu_conv_bn(conv: Conv) -> Branch:
    return (Activation("relu"), conv, BatchNorm(conv.outputs))


class ReluConvOperator:
    """Activation, convolution, batch normalisation (`ReLUConvBN` of DARTS and NAS-Bench-201)."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        conv = Conv(block.input[0], block.output[0], block.kernel or 1, block.stride or 1)
        return {"main": (_relu_conv_bn(conv), block.input)}


class SeparableConvOperator:
    """DARTS's `SepConv`: activation, depthwise, pointwise, normalisation, twice; the stride is the
    first's.

    Liu et al., ICLR 2019 (arXiv 1806.09055).
    """

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        channels, kernel = block.input[0], block.kernel or 3
        layers = (
            Activation("relu"),
            Conv(channels, channels, kernel, block.stride or 1, groups=channels),
            Conv(channels, channels, 1),
            BatchNorm(channels),
            Activation("relu"),
            Conv(channels, channels, kernel, groups=channels),
            Conv(channels, block.output[0], 1),
            BatchNorm(block.output[0]),
        )
        return {"main": (layers, block.input)}


class DilatedConvOperator:
    """DARTS's `DilConv`: activation, dilated depthwise, pointwise, normalisation."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        channels, dilation = block.input[0], block.dilation or 2
        layers = (
            Activation("relu"),
            Conv(
                channels,
                channels,
                block.kernel or 3,
                block.stride or 1,
                groups=channels,
                dilation=dilation,
            ),
            Conv(channels, block.output[0], 1),
            BatchNorm(block.output[0]),
        )
        return {"main": (layers, block.input)}


class FactorizedReduceOperator:
    """DARTS's `FactorizedReduce`: two strided pointwise convolutions, one moved by a pixel, side by
    side.
    """

    arrangement: Arrangement = "halves"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs = block.input[0], block.output[0]
        half = outputs // 2
        moved, after = (
            (inputs, block.input[1] - 1, block.input[2] - 1),
            (outputs, *block.output[1:]),
        )
        return {
            "before": ((Activation("relu"),), block.input),
            "first": ((Conv(inputs, half, 1, 2),), block.input),
            "second": ((Conv(inputs, outputs - half, 1, 2),), moved),
            "behind": ((BatchNorm(outputs),), after),
        }


class ResidualReduceOperator:
    """NAS-Bench-201's `ResNetBasicblock` between stages: two 3x3 convolutions beside a pooled
    pointwise one.

    Dong and Yang, ICLR 2020 (arXiv 2001.00326).
    """

    arrangement: Arrangement = "sum"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs, stride = block.input[0], block.output[0], block.stride or 2
        main = (
            *_relu_conv_bn(Conv(inputs, outputs, 3, stride)),
            *_relu_conv_bn(Conv(outputs, outputs, 3)),
        )
        return {
            "main": (main, block.input),
            "proj": ((Pool("avg", 2, stride), Conv(inputs, outputs, 1)), block.input),
        }


register_operator("relu_conv", ReluConvOperator())
register_operator("sep_conv", SeparableConvOperator())
register_operator("dil_conv", DilatedConvOperator())
register_operator("factorized_reduce", FactorizedReduceOperator())
register_operator("residual_reduce", ResidualReduceOperator())
