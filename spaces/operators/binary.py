"""Operators of binary networks, whose weights and activations are signs.

XNOR-Net: Rastegari et al., ECCV 2016 (arXiv 1603.05279); Bi-Real Net: Liu et al., ECCV 2018 (arXiv
1808.00278); BARS: Zhao et al., 2020 (arXiv 2011.10804).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.errors import UnknownName
from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import (
    ESTIMATORS,
    BatchNorm,
    BinaryConv,
    Branch,
    Conv,
    Pool,
    Scale,
    Shape,
)

if TYPE_CHECKING:
    from spaces.block import Block


class BinaryConvOperator:
    """Batch normalisation and a binary convolution, as in BARS, once or twice.

    The block's activation is the estimator of the sign's gradient, one of
    `spaces.operators.layers.ESTIMATORS`; without one it is `sign`. A shortcut adds the block's
    input in floats.

    Args:
        scale: Factor of the signs of the weights.
        count: Number of convolutions, of which the first one has the stride.
    """

    arrangement: Arrangement = "chain"

    def __init__(self, scale: Scale = "channel", count: int = 1):
        self.scale: Scale = scale
        self.count = count

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        return {"main": (self.layers(block), block.input)}

    def layers(self, block: Block) -> Branch:
        """Return the normalisations and the convolutions of a block."""
        estimator = block.activation or ESTIMATORS[0]
        if estimator not in ESTIMATORS:
            raise UnknownName("estimator of the sign", estimator, ESTIMATORS)

        layers: Branch = ()
        channels = block.input[0]
        stride = block.stride or 1
        for _ in range(self.count):
            conv = BinaryConv(
                channels, block.output[0], block.kernel or 3, stride, self.scale, estimator
            )
            layers = (*layers, BatchNorm(channels), conv)
            channels = block.output[0]
            stride = 1

        return layers


class BinaryReduceOperator(BinaryConvOperator):
    """Binary convolutions plus a projection in floats: a pooled pointwise convolution.

    The projection is that of Bi-Real Net: a binary one would lose the values that a shortcut
    preserves.
    """

    arrangement: Arrangement = "sum"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        stride = block.stride or 1
        pool: Branch = (Pool("avg", stride, stride),) if stride > 1 else ()
        projection = Conv(block.input[0], block.output[0], 1)
        return {
            "main": (self.layers(block), block.input),
            "proj": ((*pool, projection, BatchNorm(block.output[0])), block.input),
        }


register_operator("binary_conv", BinaryConvOperator())
register_operator("binary_conv_tensor", BinaryConvOperator("tensor"))
register_operator("binary_conv_unscaled", BinaryConvOperator("none"))
register_operator("binary_pair", BinaryConvOperator(count=2))
register_operator("binary_reduce", BinaryReduceOperator())
register_operator("binary_reduce_pair", BinaryReduceOperator(count=2))
