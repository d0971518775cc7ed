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
"""Ratio of a block's hidden channels to those of its squeeze-and-excitation."""


def divisible(value: float, divisor: int = 8) -> int:
    """Round a width to the nearest multiple of `divisor`, at most 10% below it.

    This is the rounding of TensorFlow's MobileNets.
    """
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


class MBConvOperator:
    """MobileNetV2's inverted residual, optionally with MobileNetV3's squeeze-and-excitation.

    A pointwise convolution to `expansion` times the input's channels (absent at 1) or to `hidden`
    channels, a depthwise one, and a pointwise one without activation. Sandler et al., CVPR 2018
    (arXiv 1801.04381); Howard et al., ICCV 2019 (arXiv 1905.02244).
    """

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs = block.input[0]
        expansion = block.expansion or 1
        activation = block.activation or "relu6"
        hidden = block.hidden or inputs * expansion

        # MobileNetV2 has no expansion layer where it would change nothing.
        expand = normalised(Conv(inputs, hidden, 1), activation) if hidden != inputs else ()

        # Squeeze and excitation follows the depthwise convolution, as in MobileNetV3.
        squeeze: Branch = (
            (SqueezeExcite(hidden, divisible(hidden // SE_REDUCTION)),) if block.se else ()
        )
        layers = (
            *expand,
            Conv(hidden, hidden, block.kernel or 3, block.stride or 1, groups=hidden),
            BatchNorm(hidden),
            Activation(activation),
            *squeeze,
            *normalised(Conv(hidden, block.output[0], 1)),
        )

        return {"main": (layers, block.input)}


class GroupedMBConvOperator:
    """FBNet's block, an inverted residual whose pointwise convolutions may be grouped.

    With groups, channels are shuffled after the first convolution, which expansion 1 has too. Wu et
    al., CVPR 2019 (arXiv 1812.03443), figure 3.
    """

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs = block.input[0]
        groups = block.groups or 1
        activation = block.activation or "relu"
        hidden = inputs * (block.expansion or 1)

        # Without a shuffle the groups would never exchange information.
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
