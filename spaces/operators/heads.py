"""Operators of heads, such as those that predict boxes or join features of several sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import (
    Activation,
    Branch,
    Conv,
    GlobalPool,
    Resize,
    Shape,
    WeightedSum,
    normalised,
)

if TYPE_CHECKING:
    from spaces.block import Block


class PredictorOperator:
    """A depthwise convolution, normalised and activated, and a pointwise one with bias.

    SSDLite's predictor of scores or boxes: Sandler et al., CVPR 2018 (arXiv 1801.04381), section
    6.2.
    """

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        channels = block.input[0]
        layers = (
            *normalised(
                Conv(channels, channels, block.kernel or 3, groups=channels),
                block.activation or "relu6",
            ),
            Conv(channels, block.output[0], 1, bias=True),
        )

        return {"main": (layers, block.input)}


class SeparableOperator:
    """A depthwise and a pointwise convolution, both normalised and activated (arXiv 1704.04861)."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        channels = block.input[0]
        activation = block.activation or "relu6"
        depthwise = Conv(channels, channels, block.kernel or 3, block.stride or 1, groups=channels)
        layers = (
            *normalised(depthwise, activation),
            *normalised(Conv(channels, block.output[0], 1), activation),
        )

        return {"main": (layers, block.input)}


class BiasedConvOperator:
    """A convolution with bias alone, as the last layer of a head."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        conv = Conv(block.input[0], block.output[0], block.kernel or 1, bias=True)
        return {"main": ((conv,), block.input)}


class ResizeOperator:
    """Features resized to the height and width of the block's output.

    Args:
        mode: `nearest` or `bilinear`.
    """

    arrangement: Arrangement = "chain"

    def __init__(self, mode: Literal["nearest", "bilinear"]):
        self.mode: Literal["nearest", "bilinear"] = mode

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        _, height, width = block.output
        return {"main": ((Resize(height, width, self.mode),), block.input)}


class WeightedSumOperator:
    """A learned mean of several features, which are concatenated along the channels."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        return {"main": ((WeightedSum(block.input[0] // block.output[0]),), block.input)}


class GatedConvOperator:
    """A pointwise convolution whose channels are scaled by their context.

    The context is the sigmoid of a pointwise convolution of the globally pooled input, as in lite
    R-ASPP: Howard et al., ICCV 2019 (arXiv 1905.02244), section 6.4.
    """

    arrangement: Arrangement = "gate"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        pointwise = Conv(block.input[0], block.output[0], 1)
        return {
            "main": (normalised(pointwise, block.activation or "relu"), block.input),
            "gate": ((GlobalPool(keep=True), pointwise, Activation("sigmoid")), block.input),
        }


register_operator("predictor", PredictorOperator())
register_operator("separable", SeparableOperator())
register_operator("conv_bias", BiasedConvOperator())
register_operator("resize_nearest", ResizeOperator("nearest"))
register_operator("resize_bilinear", ResizeOperator("bilinear"))
register_operator("weighted_sum", WeightedSumOperator())
register_operator("gated_conv", GatedConvOperator())
