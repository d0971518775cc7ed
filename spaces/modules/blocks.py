"""Blocks as torch modules, built from the descriptions that also count their costs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import UnknownName
from spaces.modules.binary import BinaryConv2d
from spaces.modules.recurrent_parts import recurrent_part
from spaces.modules.text import Attention, AttentionBlock
from spaces.operators import operator
from spaces.operators.layers import (
    Activation,
    BatchNorm,
    BinaryConv,
    Branch,
    CausalAttention,
    ChannelShuffle,
    Conv,
    Dropout,
    GlobalPool,
    Layer,
    LayerNorm,
    Linear,
    Pool,
    Projection,
    Resize,
    SqueezeExcite,
    TokenEmbedding,
    WeightedSum,
)

ACTIVATIONS: dict[str, Callable[[bool], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hswish": nn.Hardswish,
    # It has no form that works in place.
    "gelu": lambda _: nn.GELU(),
    "sigmoid": lambda inplace: nn.Sigmoid(),
}
"""Name -> function that makes the module; its argument is whether to work in place."""


def build(block: Block, affine: bool = True) -> nn.Module:
    """Build the module that computes a block.

    Args:
        block: Block to build.
        affine: Whether batch normalisation learns scale and shift, which supernets leave out.
    """
    description = operator(block.operator)
    branches = {
        name: sequential(layers, affine)
        for name, (layers, _) in description.branches(block).items()
    }

    match description.arrangement:
        case "shuffle":
            return ShuffleBlock(branches["main"], branches.get("proj"))
        case "sum":
            return SumBlock(branches["main"], branches["proj"])
        case "residual":
            return RectifiedSumBlock(branches["main"], branches.get("proj"))
        case "halves":
            return HalvesBlock(
                branches["before"], branches["first"], branches["second"], branches["behind"]
            )
        case "attention":
            return AttentionBlock(branches["main"])
        case "gate":
            return GateBlock(branches["main"], branches["gate"])
        case "recurrent":
            return recurrent_part(block)
        case "chain":
            return ResidualBlock(branches["main"]) if block.shortcut else branches["main"]


def sequential(layers: Branch, affine: bool) -> nn.Sequential:
    """Build primitive layers as a torch Sequential with the same indices."""
    # The first layer must not change its input in place: other blocks may read it too.
    return nn.Sequential(*(_layer(layer, affine, index > 0) for index, layer in enumerate(layers)))


def _layer(layer: Layer, affine: bool, inplace: bool) -> nn.Module:
    match layer:
        case Conv():
            return nn.Conv2d(
                layer.inputs,
                layer.outputs,
                layer.kernel,
                layer.stride,
                # The padding that keeps the image's size at stride 1.
                layer.dilation * (layer.kernel // 2),
                layer.dilation,
                layer.groups,
                layer.bias,
            )
        case BinaryConv():
            return BinaryConv2d(layer)
        case BatchNorm():
            return nn.BatchNorm2d(layer.channels, affine=affine)
        case Activation():
            if layer.name not in ACTIVATIONS:
                raise UnknownName("activation", layer.name, ACTIVATIONS)
            return ACTIVATIONS[layer.name](inplace)
        case Pool() if layer.kind == "max":
            return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding())

        # Averages leave the padding out, as in the releases of NAS-Bench-201 and DARTS.
        case Pool():
            return nn.AvgPool2d(
                layer.kernel, layer.stride, layer.padding(), count_include_pad=False
            )
        case SqueezeExcite():
            return SqueezeExcitation(layer.channels, layer.reduced)
        case ChannelShuffle():
            return nn.ChannelShuffle(layer.groups)
        case GlobalPool() if layer.keep:
            return nn.AdaptiveAvgPool2d(1)
        case GlobalPool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Dropout():
            return nn.Dropout(layer.probability)
        case Linear():
            return nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)
        case LayerNorm():
            return nn.LayerNorm(layer.features)
        case Projection():
            return nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)
        case CausalAttention():
            return Attention(layer.width, layer.hidden, layer.heads, layer.context)
        case TokenEmbedding():
            return nn.Embedding(layer.vocabulary, layer.width)
        case Resize():
            return Interpolate(layer.height, layer.width, layer.mode)
        case WeightedSum():
            return WeightedMean(layer.inputs)


class SqueezeExcitation(nn.Module):
    """MobileNetV3's squeeze-and-excitation (arXiv 1905.02244): channels scaled by their means.

    Args:
        channels: Number of channels of the features.
        reduced: Number of channels between the two pointwise convolutions.
    """

    def __init__(self, channels: int, reduced: int):
        super().__init__()
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        # Kept as an image of one pixel for the pointwise convolutions.
        means = x.mean((2, 3), keepdim=True)
        return x * nn.functional.hardsigmoid(self.expand(nn.functional.relu(self.reduce(means))))


class ResidualBlock(nn.Module):
    """A branch with a shortcut.

    Args:
        main: Branch that is added to its input.
    """

    def __init__(self, main: nn.Sequential):
        super().__init__()
        self.main = main

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.main(x)
        return result


class SumBlock(nn.Module):
    """The sum of two branches of one input.

    Args:
        main: Main branch.
        proj: Projection.
    """

    def __init__(self, main: nn.Sequential, proj: nn.Sequential):
        super().__init__()
        self.main = main
        self.proj = proj

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.proj(x) + self.main(x)
        return result


class RectifiedSumBlock(nn.Module):
    """ReLU of the sum of a branch and of its input, or of a projection of it.

    Args:
        main: Main branch.
        proj: Projection. None: the input itself.
    """

    def __init__(self, main: nn.Sequential, proj: nn.Sequential | None = None):
        super().__init__()
        self.main = main
        self.proj = proj

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        result: Tensor = nn.functional.relu(shortcut + self.main(x))
        return result


class HalvesBlock(nn.Module):
    """DARTS's `FactorizedReduce`: half of the channels from even pixels, half from odd ones.

    Args:
        before: Module of the input.
        first: Half that reads all pixels.
        second: Half that reads all but the first row and column.
        behind: Module of the concatenated halves.
    """

    def __init__(self, before: nn.Module, first: nn.Module, second: nn.Module, behind: nn.Module):
        super().__init__()
        self.before = before
        self.first = first
        self.second = second
        self.behind = behind

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        halves = (self.first(x), self.second(x[:, :, 1:, 1:]))
        result: Tensor = self.behind(torch.cat(halves, 1))
        return result


class GateBlock(nn.Module):
    """A branch whose channels are scaled by another branch of the same input.

    Args:
        main: Branch that returns features.
        gate: Branch that returns one factor for each channel, [b, channels, 1, 1].
    """

    def __init__(self, main: nn.Sequential, gate: nn.Sequential):
        super().__init__()
        self.main = main
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.main(x) * self.gate(x)
        return result


class Interpolate(nn.Module):
    """Resizes features to a height and width.

    Args:
        height: Height of the result in pixels.
        width: Width of the result in pixels.
        mode: `nearest` or `bilinear`.
    """

    def __init__(self, height: int, width: int, mode: str):
        super().__init__()
        self.size = (height, width)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, self.size, mode=self.mode)

    def extra_repr(self) -> str:
        return f"{self.size}, mode={self.mode!r}"


class WeightedMean(nn.Module):
    """The mean of concatenated features with learned weights, which are positive.

    EfficientDet's fast normalised fusion: sum_i w_i x_i / (sum_i w_i + 1e-4) with w_i = relu(v_i)
    (arXiv 1911.09070, section 3.3).

    Args:
        inputs: Number of features that are concatenated.
    """

    def __init__(self, inputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))

    def reset_parameters(self) -> None:
        """Give all inputs the same weight."""
        nn.init.ones_(self.weight)

    def normalised(self) -> Tensor:
        """Return the weights of the inputs, [inputs], whose sum is about 1."""
        weight = nn.functional.relu(self.weight)
        return weight / (weight.sum() + 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        # Not len(x): an export would fix the size of the batch.
        inputs = x.view(x.shape[0], len(self.weight), -1, *x.shape[2:])
        return (inputs * self.normalised().view(1, -1, 1, 1, 1)).sum(1)


class ShuffleBlock(nn.Module):
    """ShuffleNetV2 block as in the SPOS release.

    With stride 1 the even channels bypass the main branch, which reads the odd ones. With stride 2
    both the projection and the main branch read the whole input. The results are concatenated.

    Args:
        main: Main branch.
        proj: Projection of a strided block. None: stride 1.
    """

    def __init__(self, main: nn.Sequential, proj: nn.Sequential | None = None):
        super().__init__()
        self.branch_main = main
        self.branch_proj = proj

    def forward(self, x: Tensor) -> Tensor:
        if self.branch_proj is not None:
            return torch.cat((self.branch_proj(x), self.branch_main(x)), 1)

        count, channels, height, width = x.shape
        pairs = x.view(count, channels // 2, 2, height, width)
        # A contiguous copy of the odd channels: convolutions on a strided view are several times
        # slower.
        return torch.cat((pairs[:, :, 0], self.branch_main(pairs[:, :, 1].contiguous())), 1)
