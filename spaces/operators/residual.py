"""Residual blocks of ResNet and ResNeXt: an activation follows the sum.

He et al., CVPR 2016 (arXiv 1512.03385), figure 5; Xie et al., CVPR 2017 (arXiv 1611.05431), figure
3c; in the form of facebookresearch/pycls, models/anynet.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import Branch, Conv, Shape, normalised

if TYPE_CHECKING:
    from spaces.block import Block


class ResidualBasicOperator:
    """Two 3x3 convolutions, plus the input or a projection of it."""

    arrangement: Arrangement = "residual"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs = block.input[0], block.output[0]
        kernel = block.kernel or 3
        main = (
            *normalised(Conv(inputs, outputs, kernel, block.stride or 1), "relu"),
            *normalised(Conv(outputs, outputs, kernel)),
        )
        return {"main": (main, block.input), **_projection(block)}


class ResidualBottleneckOperator:
    """A pointwise, a grouped 3x3 and a pointwise convolution, plus the input or a projection."""

    arrangement: Arrangement = "residual"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs = block.input[0], block.output[0]
        hidden = block.hidden or outputs
        grouped = Conv(
            hidden, hidden, block.kernel or 3, block.stride or 1, groups=block.groups or 1
        )
        main = (
            *normalised(Conv(inputs, hidden, 1), "relu"),
            *normalised(grouped, "relu"),
            *normalised(Conv(hidden, outputs, 1)),
        )
        return {"main": (main, block.input), **_projection(block)}


def _projection(block: Block) -> dict[str, tuple[Branch, Shape]]:
    """Return the projection of the input where its shape is not that of the output."""
    if block.input == block.output:
        return {}
    conv = Conv(block.input[0], block.output[0], 1, block.stride or 1)
    return {"proj": (normalised(conv), block.input)}


register_operator("residual_basic", ResidualBasicOperator())
register_operator("residual_bottleneck", ResidualBottleneckOperator())
