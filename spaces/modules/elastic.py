"""Layers that run with their first channels only, so that cells of all widths share weights."""

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
from spaces.operators.layers import Activation, BatchNorm, Conv, GlobalPool, Layer, Linear


class ElasticConv(nn.Conv2d):
    """A convolution with the input channels of its input and the first `active` output channels.

    Weights are those of one group; a grouped convolution reads the first input channels of each.

    Args:
        conv: Largest convolution.
    """

    def __init__(self, conv: Conv):
        padding = conv.dilation * (conv.kernel // 2)
        super().__init__(
            conv.inputs, conv.outputs, conv.kernel, conv.stride, padding, conv.dilation, bias=False
        )
        self.active = conv.outputs
        self.active_groups = 1

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(
            x,
            self.weight[: self.active, : x.shape[1] // self.active_groups],
            None,
            self.stride,
            self.padding,
            self.dilation,
            self.active_groups,
        )


class ElasticBatchNorm(nn.BatchNorm2d):
    """Batch normalisation of as many of its first channels as its input has.

    Args:
        channels: Largest number of channels.
        affine: Whether it learns scale and shift.
    """

    def __init__(self, channels: int, affine: bool = False):
        super().__init__(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        momentum = self.momentum

        # Without tracking the batch's own statistics are used, and none are updated.
        untracked = self.training and not self.track_running_stats
        if self.training and not untracked:
            self.num_batches_tracked.add_(1)
            # As in torch, None means the mean over all batches.
            if momentum is None:
                momentum = 1 / float(self.num_batches_tracked)

        channels = x.shape[1]

        return nn.functional.batch_norm(
            x,
            None if untracked else self.running_mean[:channels],
            None if untracked else self.running_var[:channels],
            self.weight[:channels] if self.affine else None,
            self.bias[:channels] if self.affine else None,
            training=self.training,
            momentum=momentum or 0.0,
            eps=self.eps,
        )


class ElasticLinear(nn.Linear):
    """A linear layer of as many of its first inputs as there are features."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight[:, : x.shape[1]], self.bias)


def elastic_layer(layer: Layer) -> nn.Module:
    """Build a primitive layer that runs with its first channels.

    Args:
        layer: The widest layer.

    Raises:
        InvalidBlock: The layer has no form of several widths.
    """
    match layer:
        case Conv():
            return ElasticConv(layer)
        case BatchNorm():
            return ElasticBatchNorm(layer.channels)
        case Activation():
            # Not in place: other blocks, or a shortcut, may read the input too.
            return ACTIVATIONS[layer.name](False)
        case GlobalPool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Linear():
            return ElasticLinear(layer.inputs, layer.outputs, layer.bias)
        case _:
            raise InvalidBlock(f"{layer}: no layer of several widths computes it")


class ElasticConvBlock(nn.Sequential):
    """The module of a `conv` block that also computes narrower ones.

    Args:
        block: Widest block, of a convolution, batch normalisation and an activation.

    Raises:
        InvalidBlock: The block has other layers.
    """

    def __init__(self, block: Block):
        layers, _ = operator(block.operator).branches(block)["main"]

        # Other layers would have to follow the active width too.
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
    """A supernet of cells whose convolutions take the widths of the active architecture.

    Args:
        space: Space whose architectures it runs.
        num_classes: Number of classes of the classifier. None: the space's.
    """

    def candidate(self, block: Block) -> nn.Module:
        """Build the module of a block; convolutions are elastic."""
        return ElasticConvBlock(block) if block.operator == "conv" else super().candidate(block)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        super()._activate(codes)
        # A plan names the width of each convolution.
        for step, module in zip(self._active().applied, self.path(), strict=True):
            if isinstance(module, ElasticConvBlock):
                module.activate(step.block)
