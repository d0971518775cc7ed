"""Inverted residual blocks of MobileNets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import (
    Activation,
    BatchNorm,
    Branch,
    ChannelShuffle,
    Conv,
    Shape,
    SqueezeExcite,
    normalised,
)

if TYPE_CHECKING:
    from spaces.block import Block

SE_REDUCTION = 4


def divisible(value: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to a width, never more than 10% below it (TensorFlow's
    MobileNets).
    """
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


class MBConvOperator:
    """MobileNetV2's inverted residual, with MobileNetV3's squeeze-and-excitation where the block
    has it.

    Pointwise to `expansion` times the input's channels (left out at 1), depthwise, pointwise
    without activation. Sandler et al., CVPR 2018 (arXiv 1801.04381); Howard et al., ICCV 2019
    (arXiv 1905.02244).
    """

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, expansion, activation = (
            block.input[0],
            block.expansion or 1,
            block.activation or "relu6",
        )
        hidden = inputs * expansion
        kernel, stride = block.kernel or 3, block.stride or 1
        expand = normalised(Conv(inputs, hidden, 1), activation) if expansion > 1 else ()
        squeeze: Branch = (
            (SqueezeExcite(hidden, divisible(hidden // SE_REDUCTION)),) if block.se else ()
        )
        layers = (
            *expand,
            Conv(hidden, hidden, kernel, stride, groups=hidden),
            BatchNorm(hidden),
            Activation(activation),
            *squeeze,
            *normalised(Conv(hidden, block.output[0], 1)),
        )
        return {"main": (layers, block.input)}


class GroupedMBConvOperator:
    """FBNet's block: its pointwise convolutions may be grouped, then channels are shuffled behind
    the first.

    The first one is there at expansion 1 too. Wu et al., CVPR 2019 (arXiv 1812.03443), figure 3.
    """

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, groups, activation = block.input[0], block.groups or 1, block.activation or "relu"
        hidden = inputs * (block.expansion or 1)
        shuffle: Branch = (ChannelShuffle(groups),) if groups > 1 else ()
        layers = (
            *normalised(Conv(inputs, hidden, 1, groups=groups), activation),
            *shuffle,
            *normalised(
                Conv(hidden, hidden, block.kernel or 3, block.stride or 1, groups=hidden),
                activation,
            ),
            *normalised(Conv(hidden, block.output[0], 1, groups=groups)),
        )
        return {"main": (layers, block.input)}


register_operator("mbconv", MBConvOperator())
register_operator("fbnet", GroupedMBConvOperator())
