"""Primitive layers of blocks, without torch: multiply-accumulates, parameters and shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Shape: TypeAlias = tuple[int, ...]
"""Channels, height and width of one image's features, or their number alone.

Of text it is the number of tokens, followed by the features of each.
"""


class _Free:
    """A layer that keeps the shape and has no costs in the literature's count."""

    __slots__ = ()

    def shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return 0

    def params(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, padded by half of its (dilated) kernel."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    bias: bool = False

    def shape(self, shape: Shape) -> Shape:
        _, height, width = shape
        # Rounded up, since the padding lets the last window begin at the border.
        return self.outputs, -(-height // self.stride), -(-width // self.stride)

    def macs(self, shape: Shape) -> int:
        _, height, width = self.shape(shape)
        return self._weights() * height * width

    def params(self) -> int:
        return self._weights() + (self.outputs if self.bias else 0)

    def _weights(self) -> int:
        return self.outputs * (self.inputs // self.groups) * self.kernel**2


Scale: TypeAlias = Literal["none", "tensor", "channel"]
"""Factor of the signs of weights: 1, or the mean absolute weight of all or of each channel."""

ESTIMATORS = ("sign", "sign_quadratic")
"""Names of the sign by its gradient: clipped, or that of Bi-Real Net's piecewise quadratic."""


@dataclass(frozen=True, slots=True)
class BinaryConv:
    """A convolution of signs, padded by half of its kernel.

    Its multiply-accumulates are binary operations, which `binary_macs` counts and `macs` does not.

    Args:
        inputs: Number of input channels.
        outputs: Number of output channels.
        kernel: Side of the kernel in pixels.
        stride: Stride in pixels.
        scale: Factor of the signs of the weights.
        estimator: One of `ESTIMATORS`.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    scale: Scale = "channel"
    estimator: str = "sign"

    def shape(self, shape: Shape) -> Shape:
        return Conv(self.inputs, self.outputs, self.kernel, self.stride).shape(shape)

    def macs(self, shape: Shape) -> int:
        return 0

    def binary_macs(self, shape: Shape) -> int:
        return Conv(self.inputs, self.outputs, self.kernel, self.stride).macs(shape)

    def params(self) -> int:
        return self.outputs * self.inputs * self.kernel**2


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Batch normalisation with learned scale and shift; the literature counts no MACs for it."""

    channels: int

    def shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return 0

    def params(self) -> int:
        return 2 * self.channels


@dataclass(frozen=True, slots=True)
class Activation(_Free):
    """A pointwise activation by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Pool(_Free):
    """A maximum or mean over windows.

    The padding is half of an odd kernel, and is left out of means.
    """

    kind: Literal["max", "avg"]
    kernel: int
    stride: int = 1

    def shape(self, shape: Shape) -> Shape:
        padding = self.padding()
        height, width = [
            (size + 2 * padding - self.kernel) // self.stride + 1 for size in shape[1:]
        ]
        return shape[0], height, width

    def padding(self) -> int:
        return self.kernel // 2 if self.kernel % 2 else 0


@dataclass(frozen=True, slots=True)
class SqueezeExcite:
    """MobileNetV3's squeeze-and-excitation (arXiv 1905.02244).

    Channels are scaled by the hard sigmoid of two 1x1 convolutions, with bias, of their means.
    """

    channels: int
    reduced: int

    def shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return 2 * self.channels * self.reduced

    def params(self) -> int:
        return 2 * self.channels * self.reduced + self.channels + self.reduced


@dataclass(frozen=True, slots=True)
class ChannelShuffle(_Free):
    """Channels of the groups interleaved, so that the next grouped convolution sees all of them."""

    groups: int


@dataclass(frozen=True, slots=True)
class GlobalPool(_Free):
    """The mean over height and width, as features, or with `keep` as an image of one pixel."""

    keep: bool = False

    def shape(self, shape: Shape) -> Shape:
        return (shape[0], 1, 1) if self.keep else (shape[0],)


@dataclass(frozen=True, slots=True)
class Dropout(_Free):
    """Dropout while training."""

    probability: float


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix product, with or without bias."""

    inputs: int
    outputs: int
    bias: bool = True

    def shape(self, shape: Shape) -> Shape:
        return (self.outputs,)

    def macs(self, shape: Shape) -> int:
        return self.inputs * self.outputs

    def params(self) -> int:
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Normalisation of each token's features, with learned scale and shift; it has no MACs."""

    features: int

    def shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return 0

    def params(self) -> int:
        return 2 * self.features


@dataclass(frozen=True, slots=True)
class Projection:
    """A matrix product of the features of every token, with or without bias."""

    inputs: int
    outputs: int
    bias: bool = False

    def shape(self, shape: Shape) -> Shape:
        length, _ = shape
        return length, self.outputs

    def macs(self, shape: Shape) -> int:
        length, _ = shape
        return length * self.inputs * self.outputs

    def params(self) -> int:
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)


@dataclass(frozen=True, slots=True)
class CausalAttention:
    """Causal self-attention with the projections around it (arXiv 1706.03762, section 3.2).

    Args:
        width: Number of features of a token.
        hidden: Number of features of the queries, over all heads.
        heads: Number of heads.
        context: Number of positions, by which queries and keys are rotated.
        cached: Number of earlier tokens whose keys and values are cached.
    """

    width: int
    hidden: int
    heads: int
    context: int
    cached: int = 0

    def shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        length, _ = shape
        # Queries with all keys, and weights with all values; masked products are computed too.
        products = 2 * length * (self.cached + length) * self.hidden
        return 4 * length * self.width * self.hidden + products

    def params(self) -> int:
        return 4 * self.width * self.hidden


@dataclass(frozen=True, slots=True)
class TokenEmbedding:
    """A token's learned vector; it has no MACs."""

    vocabulary: int
    width: int

    def shape(self, shape: Shape) -> Shape:
        (length,) = shape
        return length, self.width

    def macs(self, shape: Shape) -> int:
        return 0

    def params(self) -> int:
        return self.vocabulary * self.width


@dataclass(frozen=True, slots=True)
class Resize(_Free):
    """An image resized to a height and width, by the nearest pixel or bilinearly."""

    height: int
    width: int
    mode: Literal["nearest", "bilinear"]

    def shape(self, shape: Shape) -> Shape:
        return shape[0], self.height, self.width


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """The mean of concatenated inputs, with a learned weight for each.

    Fast normalised fusion of EfficientDet: Tan et al., CVPR 2020 (arXiv 1911.09070), section 3.3.
    """

    inputs: int

    def shape(self, shape: Shape) -> Shape:
        return shape[0] // self.inputs, *shape[1:]

    def macs(self, shape: Shape) -> int:
        return 0

    def params(self) -> int:
        return self.inputs


# Every layer that the modules and the costs of operators are made of.
Layer: TypeAlias = (
    Conv
    | BinaryConv
    | BatchNorm
    | Activation
    | Pool
    | SqueezeExcite
    | ChannelShuffle
    | GlobalPool
    | Dropout
    | Linear
    | LayerNorm
    | Projection
    | CausalAttention
    | TokenEmbedding
    | Resize
    | WeightedSum
)
Branch: TypeAlias = tuple[Layer, ...]


def branch_macs(branch: Branch, shape: Shape) -> int:
    """Count the multiply-accumulates of consecutive layers for one image of `shape`."""
    # Each layer counts with the shape that the previous one returns.
    total = 0
    for layer in branch:
        total += layer.macs(shape)
        shape = layer.shape(shape)
    return total


def branch_binary_macs(branch: Branch, shape: Shape) -> int:
    """Count the multiply-accumulates of signs of consecutive layers for one image of `shape`."""
    total = 0
    for layer in branch:
        if isinstance(layer, BinaryConv):
            total += layer.binary_macs(shape)
        shape = layer.shape(shape)
    return total


def normalised(conv: Conv, activation: str | None = None) -> Branch:
    """Return a convolution, batch normalisation, and an activation where one is named."""
    layers: Branch = (conv, BatchNorm(conv.outputs))
    return layers if activation is None else (*layers, Activation(activation))
