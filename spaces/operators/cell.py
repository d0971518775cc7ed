"""Operators of cells, which put the activation before the convolution.

Dong and Yang, ICLR 2020 (arXiv 2001.00326); Liu et al., ICLR 2019 (arXiv 1806.09055).
"""

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
    """DARTS's `SepConv`: activation, depthwise, pointwise, normalisation, all of it twice.

    The first depthwise convolution has the stride.
    """

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        channels = block.input[0]
        kernel = block.kernel or 3
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
        channels = block.input[0]
        dilation = block.dilation or 2
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
    """DARTS's `FactorizedReduce`: two strided pointwise convolutions, concatenated.

    The second one reads the input shifted by one pixel.
    """

    arrangement: Arrangement = "halves"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs = block.input[0]
        outputs = block.output[0]
        half = outputs // 2

        # The second half sees the pixels that the first one's stride leaves out.
        shifted = (inputs, block.input[1] - 1, block.input[2] - 1)
        concatenated = (outputs, *block.output[1:])

        return {
            "before": ((Activation("relu"),), block.input),
            "first": ((Conv(inputs, half, 1, 2),), block.input),
            "second": ((Conv(inputs, outputs - half, 1, 2),), shifted),
            "behind": ((BatchNorm(outputs),), concatenated),
        }


class ResidualReduceOperator:
    """NAS-Bench-201's `ResNetBasicblock` between stages.

    Two 3x3 convolutions, plus a pooled pointwise one of the same input.
    """

    arrangement: Arrangement = "sum"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs = block.input[0]
        outputs = block.output[0]
        stride = block.stride or 2

        # The first convolution halves the image.
        main = (
            *_relu_conv_bn(Conv(inputs, outputs, 3, stride)),
            *_relu_conv_bn(Conv(outputs, outputs, 3)),
        )

        return {
            "main": (main, block.input),
            "proj": ((Pool("avg", 2, stride), Conv(inputs, outputs, 1)), block.input),
        }


class AdditionOperator:
    """An addition to the input, which costs time alone; as a module it passes its input on."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        return {"main": ((), block.input)}


register_operator("relu_conv", ReluConvOperator())
register_operator("sep_conv", SeparableConvOperator())
register_operator("dil_conv", DilatedConvOperator())
register_operator("factorized_reduce", FactorizedReduceOperator())
register_operator("residual_reduce", ResidualReduceOperator())
register_operator("addition", AdditionOperator())
register_operator("constant_addition", AdditionOperator())
