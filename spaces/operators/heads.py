"""Operators of heads, such as those that predict boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import Branch, Conv, Shape, normalised

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


register_operator("predictor", PredictorOperator())
