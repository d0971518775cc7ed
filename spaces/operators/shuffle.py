"""ShuffleNetV2 operators of SPOS (Guo et al., ECCV 2020, arXiv 1904.00420)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import Branch, Conv, Shape, normalised

if TYPE_CHECKING:
    from spaces.block import Block


class ShuffleOperator:
    """SPOS's ShuffleNetV2 block; with stride 1 half of the channels bypass it."""

    arrangement: Arrangement = "shuffle"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs, shape, stride = _shuffle_shape(block)
        kernel = block.kernel or 3
        hidden = block.hidden or 1
        relu = block.activation or "relu"

        main = (
            *normalised(Conv(inputs, hidden, 1), relu),
            *normalised(Conv(hidden, hidden, kernel, stride, groups=hidden)),
            *normalised(Conv(hidden, outputs, 1), relu),
        )

        return _with_projection(main, shape, kernel, stride, relu)


class XceptionOperator:
    """SPOS's `choice_x`: a depthwise and a pointwise convolution, three times."""

    arrangement: Arrangement = "shuffle"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs, shape, stride = _shuffle_shape(block)
        kernel = block.kernel or 3
        hidden = block.hidden or 1
        relu = block.activation or "relu"

        main = (
            *normalised(Conv(inputs, inputs, kernel, stride, groups=inputs)),
            *normalised(Conv(inputs, hidden, 1), relu),
            *normalised(Conv(hidden, hidden, kernel, groups=hidden)),
            *normalised(Conv(hidden, hidden, 1), relu),
            *normalised(Conv(hidden, hidden, kernel, groups=hidden)),
            *normalised(Conv(hidden, outputs, 1), relu),
        )

        return _with_projection(main, shape, kernel, stride, relu)


def _shuffle_shape(block: Block) -> tuple[int, int, Shape, int]:
    """Return the main branch's channels in and out, the shape of its input, and the stride."""
    stride = block.stride or 1
    channels, height, width = block.input
    # Half of the channels bypass a block of stride 1.
    inputs = channels // 2 if stride == 1 else channels
    return inputs, block.output[0] - inputs, (inputs, height, width), stride


def _with_projection(
    main: Branch, shape: Shape, kernel: int, stride: int, activation: str
) -> dict[str, tuple[Branch, Shape]]:
    # With stride 1 the other half of the channels passes unchanged.
    if stride == 1:
        return {"main": (main, shape)}

    channels = shape[0]
    projection = (
        *normalised(Conv(channels, channels, kernel, stride, groups=channels)),
        *normalised(Conv(channels, channels, 1), activation),
    )

    return {"main": (main, shape), "proj": (projection, shape)}


register_operator("shuffle", ShuffleOperator())
register_operator("xception", XceptionOperator())
