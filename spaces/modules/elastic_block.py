"""Inverted residuals whose narrower and smaller-kernelled versions are parts of the largest one's
weights.

Once-for-All: Cai et al., ICLR 2020 (arXiv 1908.09791), section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import InvalidBlock
from spaces.modules.blocks import ACTIVATIONS, SqueezeExcitation
from spaces.modules.elastic import ElasticBatchNorm
from spaces.operators.mobile import SE_REDUCTION, divisible


class ElasticDepthwise(nn.Conv2d):
    """A depthwise convolution whose smaller kernels are transformed centres of the next larger
    ones.

    The centre of a kernel, its `s x s` weights in a row, is multiplied by a matrix [s^2, s^2] that
    all channels share (arXiv 1908.09791, figure 4); the matrices begin as identities.

    Args:
        channels: the most.
        kernels: side lengths.
        stride: of the convolution.
    """

    def __init__(self, channels: int, kernels: Sequence[int], stride: int):
        self.kernels = sorted(set(kernels), reverse=True)
        largest = self.kernels[0]
        super().__init__(
            channels, channels, largest, stride, largest // 2, groups=channels, bias=False
        )
        for larger, smaller in pairwise(self.kernels):
            self.register_parameter(
                _matrix_name(larger, smaller), nn.Parameter(torch.eye(smaller**2))
            )

    @torch.no_grad()
    def reset_matrices(self) -> None:
        """Let smaller kernels be centres of larger ones."""
        for larger, smaller in pairwise(self.kernels):
            self.get_parameter(_matrix_name(larger, smaller)).copy_(torch.eye(smaller**2))

    def kernel(self, size: int, channels: int) -> Tensor:
        """The kernel [channels, 1, size, size] of the first channels."""
        weight = self.weight[:channels]
        for larger, smaller in pairwise(self.kernels):
            if larger == size:
                break
            cut = (larger - smaller) // 2
            centre = weight[:, :, cut : cut + smaller, cut : cut + smaller].reshape(
                channels, smaller**2
            )
            matrix = self.get_parameter(_matrix_name(larger, smaller))
            weight = nn.functional.linear(centre, matrix).view(channels, 1, smaller, smaller)
        return weight.contiguous()

    def run(self, x: Tensor, size: int) -> Tensor:
        """The convolution of x [b, channels, height, width] by kernels of side `size`."""
        kernel = self.kernel(size, x.shape[1])
        return nn.functional.conv2d(x, kernel, None, self.stride, size // 2, groups=x.shape[1])


class ElasticSqueezeExcitation(SqueezeExcitation):
    """Squeeze-and-excitation of the first channels: as many as its input has.

    Args:
        channels: the most.
    """

    def __init__(self, channels: int):
        super().__init__(channels, reduced_channels(channels))

    def forward(self, x: Tensor) -> Tensor:
        channels, reduced = x.shape[1], reduced_channels(x.shape[1])
        first, second = self.reduce, self.expand
        assert first.bias is not None
        assert second.bias is not None
        means = x.mean((2, 3), keepdim=True)
        inner = nn.functional.conv2d(
            means, first.weight[:reduced, :channels].contiguous(), first.bias[:reduced]
        )
        outer = second.weight[:channels, :reduced].contiguous()
        scores = nn.functional.conv2d(nn.functional.relu(inner), outer, second.bias[:channels])
        return x * nn.functional.hardsigmoid(scores)


class ElasticMBConv(nn.Module):
    """All inverted residuals of a layer in the weights of the largest one.

    Args:
        blocks: `mbconv` blocks that differ in kernel and expansion alone, expansions above 1.

    Raises:
        InvalidBlock: blocks that differ in more, or of another kind.
    """

    def __init__(self, blocks: Sequence[Block]):
        super().__init__()
        first = blocks[0]
        for block in blocks:
            if (
                block.operator != "mbconv"
                or (block.expansion or 1) < 2
                or _fixed_part(block) != _fixed_part(first)
            ):
                raise InvalidBlock(
                    f"blocks of one elastic layer are mbconv of one shape, not {first} and {block}"
                )
        self.inputs, self.shortcut = first.input[0], first.shortcut
        widest = self.inputs * max(block.expansion or 1 for block in blocks)
        activation = ACTIVATIONS[first.activation or "relu6"]
        self.expand = nn.Conv2d(self.inputs, widest, 1, bias=False)
        self.expand_norm = ElasticBatchNorm(widest, affine=True)
        self.expand_activation = activation(True)
        self.depthwise = ElasticDepthwise(
            widest, [block.kernel or 3 for block in blocks], first.stride or 1
        )
        self.depthwise_norm = ElasticBatchNorm(widest, affine=True)
        self.depthwise_activation = activation(True)
        self.squeeze = ElasticSqueezeExcitation(widest) if first.se else None
        self.project = nn.Conv2d(widest, first.output[0], 1, bias=False)
        self.project_norm = nn.BatchNorm2d(first.output[0])

    def forward(self, x: Tensor, kernel: int, expansion: int) -> Tensor:
        """The block with this kernel and expansion on x [b, inputs, height, width]."""
        hidden = self.inputs * expansion
        y = nn.functional.conv2d(x, self.expand.weight[:hidden])
        y = self.expand_activation(self.expand_norm(y))
        y = self.depthwise_activation(self.depthwise_norm(self.depthwise.run(y, kernel)))
        if self.squeeze is not None:
            y = self.squeeze(y)
        y = self.project_norm(nn.functional.conv2d(y, self.project.weight[:, :hidden].contiguous()))
        result: Tensor = x + y if self.shortcut else y
        return result

    @torch.no_grad()
    def copy_to(self, module: nn.Module, block: Block) -> None:
        """Give the module that computes one of the blocks alone its part of the weights and
        statistics.
        """
        main = module.get_submodule("main") if self.shortcut else module
        target = [part for part in main.modules() if part._parameters]
        hidden = self.inputs * (block.expansion or 1)
        sources: list[nn.Module] = [
            self.expand,
            self.expand_norm,
            self.depthwise,
            self.depthwise_norm,
        ]
        if self.squeeze is not None:
            sources += [self.squeeze.reduce, self.squeeze.expand]
        sources += [self.project, self.project_norm]
        for own, source in zip(target, sources, strict=True):
            given = {**dict(source.named_parameters()), **dict(source.named_buffers())}
            if isinstance(source, ElasticDepthwise):
                given["weight"] = source.kernel(block.kernel or 3, hidden)
            for name, value in (*own.named_parameters(), *own.named_buffers()):
                value.copy_(given[name][tuple(map(slice, value.shape))])

    @torch.no_grad()
    def sort_channels(self) -> None:
        """Order the hidden channels by the sum of the projection's magnitudes, the greatest first.

        Narrower blocks then keep the channels that matter most (arXiv 1908.09791, section 3.3,
        elastic width). The largest block computes what it did before, up to the order of its sums;
        so do all its kernels.
        """
        order = self.project.weight.abs().sum((0, 2, 3)).argsort(descending=True, stable=True)
        _permute(self.project, order, 1)
        for part in (self.expand, self.expand_norm, self.depthwise, self.depthwise_norm):
            _permute(part, order, 0)
        if self.squeeze is not None:
            reduce, expand = self.squeeze.reduce, self.squeeze.expand
            _permute(expand, order, 0)
            inner = expand.weight.abs().sum((0, 2, 3)).argsort(descending=True, stable=True)
            _permute(expand, inner, 1)
            reduce.weight.copy_(reduce.weight[inner][:, order])
            assert reduce.bias is not None
            reduce.bias.copy_(reduce.bias[inner])


def reduced_channels(channels: int) -> int:
    """Channels between the convolutions of a squeeze-and-excitation, as `spaces.operators.mobile`
    has them.
    """
    return divisible(channels // SE_REDUCTION)


def _matrix_name(larger: int, smaller: int) -> str:
    return f"matrix_{larger}_to_{smaller}"


def _fixed_part(block: Block) -> tuple[object, ...]:
    return block.input, block.output, block.stride, block.activation, block.se, block.shortcut


def _permute(part: nn.Module, order: Tensor, dimension: int) -> None:
    """Reorder what a part has for each hidden channel: weights along a dimension, biases and
    statistics along 0.
    """
    for name, value in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)):
        if name == "weight":
            value.copy_(value.index_select(dimension, order))
        elif dimension == 0 and value.ndim == 1 and len(value) == len(order):
            value.copy_(value[order])
