"""Layers that run with their first channels only, so that cells of different widths share
weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import InvalidBlock
from spaces.modules.blocks import ACTIVATIONS
from spaces.modules.cells import CellSupernet
from spaces.operators import operator
from spaces.operators.layers import Activation, BatchNorm, Conv


class ElasticConv(nn.Conv2d):
    """A convolution that uses as many input channels as its input has, and as many output channels
    as are active.

    Args:
        conv: the largest convolution.
    """

    def __init__(self, conv: Conv):
        padding = conv.dilation * (conv.kernel // 2)
        super().__init__(
            conv.inputs, conv.outputs, conv.kernel, conv.stride, padding, conv.dilation, bias=False
        )
        self.active = conv.outputs

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(
            x,
            self.weight[: self.active, : x.shape[1]],
            None,
            self.stride,
            self.padding,
            self.dilation,
        )


class ElasticBatchNorm(nn.BatchNorm2d):
    """Batch normalisation of the first channels: as many as its input has.

    Args:
        channels: the most.
        affine: whether it learns scale and shift.
    """

    def __init__(self, channels: int, affine: bool = False):
        super().__init__(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        rate = self.momentum
        passing = self.training and not self.track_running_stats  # the batch's statistics alone
        if self.training and not passing:
            self.num_batches_tracked.add_(1)
            if rate is None:  # torch: the mean over all batches
                rate = 1 / float(self.num_batches_tracked)
        channels = x.shape[1]
        return nn.functional.batch_norm(
            x,
            None if passing else self.running_mean[:channels],
            None if passing else self.running_var[:channels],
            self.weight[:channels] if self.affine else None,
            self.bias[:channels] if self.affine else None,
            training=self.training,
            momentum=rate or 0.0,
            eps=self.eps,
        )


class ElasticConvBlock(nn.Sequential):
    """The module of a `conv` block that also computes narrower ones of its kind.

    Args:
        block: the largest one: a convolution, batch normalisation and an activation.

    Raises:
        InvalidBlock: the block consists of something else.
    """

    def __init__(self, block: Block):
        layers, _ = operator(block.operator).branches(block)["main"]
        match layers:
            case (Conv() as conv, BatchNorm(), Activation() as activation) if (
                conv.groups == 1 and not conv.bias
            ):
                super().__init__(
                    ElasticConv(conv),
                    ElasticBatchNorm(conv.outputs),
                    ACTIVATIONS[activation.name](True),
                )
            case _:
                raise InvalidBlock(
                    f"only convolutions with normalisation and activation are elastic, not {block}"
                )

    def activate(self, block: Block) -> None:
        """Compute `block`, which has at most as many channels, from now on."""
        conv = self[0]
        assert isinstance(conv, ElasticConv)
        conv.active = block.output[0]


class ElasticCellSupernet(CellSupernet):
    """A supernet of cells whose convolutions are as wide as the active architecture has them.

    Args:
        space: the space whose architectures it runs.
        num_classes: classes of the classifier (None: the space's own).
    """

    def candidate(self, block: Block) -> nn.Module:
        """The module of a place: convolutions are elastic."""
        return ElasticConvBlock(block) if block.operator == "conv" else super().candidate(block)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        super()._activate(codes)
        for step, module in zip(self._active().applied, self.path(), strict=True):
            if isinstance(module, ElasticConvBlock):
                module.activate(step.block)
