"""Inverted residuals whose narrower versions and smaller kernels are slices of shared weights.

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
    """A depthwise convolution whose smaller kernels are transformed centres of larger ones.

    The centre of the next larger kernel, flattened to `s * s` weights, is multiplied by a matrix
    [s^2, s^2] that all channels share (arXiv 1908.09791, figure 4). The matrices are initialised as
    identities.

    Args:
        channels: Largest number of channels.
        kernels: Side lengths of the kernels.
        stride: Stride of the convolution.
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
        """Make smaller kernels the unchanged centres of larger ones."""
        for larger, smaller in pairwise(self.kernels):
            self.get_parameter(_matrix_name(larger, smaller)).copy_(torch.eye(smaller**2))

    def kernel(self, size: int, channels: int) -> Tensor:
        """Return the kernel of the first channels, [channels, 1, size, size]."""
        weight = self.weight[:channels]
        for larger, smaller in pairwise(self.kernels):
            # The kernel of the requested size is reached.
            if larger == size:
                break
            margin = (larger - smaller) // 2
            inner = slice(margin, margin + smaller)
            centre = weight[:, :, inner, inner].reshape(channels, smaller**2)
            matrix = self.get_parameter(_matrix_name(larger, smaller))
            weight = nn.functional.linear(centre, matrix).view(channels, 1, smaller, smaller)

        return weight.contiguous()

    def run(self, x: Tensor, size: int) -> Tensor:
        """Convolve x [b, channels, height, width] with kernels of side `size`."""
        kernel = self.kernel(size, x.shape[1])
        return nn.functional.conv2d(x, kernel, None, self.stride, size // 2, groups=x.shape[1])


class ElasticSqueezeExcitation(SqueezeExcitation):
    """Squeeze-and-excitation of as many of its first channels as its input has.

    Args:
        channels: Largest number of channels.
    """

    def __init__(self, channels: int):
        super().__init__(channels, reduced_channels(channels))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]

        # The squeezed width follows the block's width, as in a network of that width alone.
        reduced = reduced_channels(channels)
        assert self.reduce.bias is not None
        assert self.expand.bias is not None

        means = x.mean((2, 3), keepdim=True)
        reduce_weight = self.reduce.weight[:reduced, :channels].contiguous()
        squeezed = nn.functional.conv2d(means, reduce_weight, self.reduce.bias[:reduced])

        expand_weight = self.expand.weight[:channels, :reduced].contiguous()
        scores = nn.functional.conv2d(
            nn.functional.relu(squeezed), expand_weight, self.expand.bias[:channels]
        )

        return x * nn.functional.hardsigmoid(scores)


class ElasticMBConv(nn.Module):
    """All inverted residuals of a layer, sharing the weights of the largest one.

    Args:
        blocks: `mbconv` blocks with expansions above 1, which differ in kernel and expansion only.

    Raises:
        InvalidBlock: A block is of another kind, or differs in something else.
    """

    def __init__(self, blocks: Sequence[Block]):
        super().__init__()
        first = blocks[0]
        for block in blocks:
            if (
                block.operator != "mbconv"
                or (block.expansion or 1) < 2
                or _common_fields(block) != _common_fields(first)
            ):
                raise InvalidBlock(
                    f"blocks of one elastic layer are mbconv of one shape, not {first} and {block}"
                )

        # A layer's blocks differ in kernel and expansion only.
        self.inputs = first.input[0]
        self.shortcut = first.shortcut

        # Narrower blocks use its first channels.
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
        """Compute the block with this kernel and expansion on x [b, inputs, height, width]."""
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
        """Copy the weights and statistics of one block to a module that computes it alone.

        Args:
            module: Module of `block`, as `spaces.modules.blocks.build` builds it.
            block: One of the layer's blocks.
        """
        main = module.get_submodule("main") if self.shortcut else module
        targets = [submodule for submodule in main.modules() if submodule._parameters]
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

        for target, source in zip(targets, sources, strict=True):
            values = {**dict(source.named_parameters()), **dict(source.named_buffers())}
            if isinstance(source, ElasticDepthwise):
                values["weight"] = source.kernel(block.kernel or 3, hidden)
            for name, value in (*target.named_parameters(), *target.named_buffers()):
                # The first channels of each dimension.
                value.copy_(values[name][tuple(map(slice, value.shape))])

    @torch.no_grad()
    def sort_channels(self, trained: int | None = None) -> None:
        """Sort the hidden channels by descending sum of the projection's magnitudes.

        Narrower blocks then have the most important channels (arXiv 1908.09791, section 3.3,
        elastic width). The widest block computes the same as before, up to the order of its sums,
        with every kernel.

        Args:
            trained: Expansion of a narrower block that was trained already and keeps its channels;
                None: none.
        """
        # The importance of a channel is the magnitude of the weights that read it.
        trained_channels = 0 if trained is None else self.inputs * trained
        order = _by_importance(self.project.weight, trained_channels)
        _permute(self.project, order, 1)
        for module in (self.expand, self.expand_norm, self.depthwise, self.depthwise_norm):
            _permute(module, order, 0)

        if self.squeeze is not None:
            # Its own inner channels are sorted too, by the same criterion.
            reduce = self.squeeze.reduce
            expand = self.squeeze.expand
            _permute(expand, order, 0)
            trained_inner = reduced_channels(trained_channels) if trained_channels else 0
            inner_order = _by_importance(expand.weight, trained_inner)
            _permute(expand, inner_order, 1)
            reduce.weight.copy_(reduce.weight[inner_order][:, order])
            assert reduce.bias is not None
            reduce.bias.copy_(reduce.bias[inner_order])


def _by_importance(weight: Tensor, first: int) -> Tensor:
    """Return the input channels of a convolution by descending sum of their weights' magnitudes.

    Args:
        weight: Weights [outputs, inputs, height, width].
        first: Number of channels that remain in front of the others.
    """
    importance = weight.abs().sum((0, 2, 3))
    parts = importance[:first], importance[first:]
    orders = [part.argsort(descending=True, stable=True) for part in parts]
    return torch.cat([orders[0], orders[1] + first])


def reduced_channels(channels: int) -> int:
    """Return the channels inside a squeeze-and-excitation, as `spaces.operators.mobile` does."""
    return divisible(channels // SE_REDUCTION)


def _matrix_name(larger: int, smaller: int) -> str:
    return f"matrix_{larger}_to_{smaller}"


def _common_fields(block: Block) -> tuple[object, ...]:
    return block.input, block.output, block.stride, block.activation, block.se, block.shortcut


def _permute(module: nn.Module, order: Tensor, dimension: int) -> None:
    """Reorder the hidden channels of a module.

    Args:
        module: Layer with weights, and perhaps biases or statistics, per channel.
        order: New order of the channels, int [channels].
        dimension: Dimension of the weights to reorder; biases and statistics have dimension 0.
    """
    tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    for name, value in tensors:
        # One-dimensional weights have dimension 0 only.
        if name == "weight":
            value.copy_(value.index_select(dimension, order))
        elif dimension == 0 and value.ndim == 1 and len(value) == len(order):
            value.copy_(value[order])
