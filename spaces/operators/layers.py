"""The primitive layers that blocks are made of, without torch: their MACs, parameters and
shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Shape: TypeAlias = tuple[int, ...]
"""Channels, height, width of one image's features; or the number of features alone."""


class _Free:
    """A layer that costs nothing in the literature's count, and keeps the shape."""

    __slots__ = ()

    def shape(self, shape: Shape) -> Shape:
        return shape

    def macs(self, shape: Shape) -> int:
        return 0

    def params(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, padded by half its (dilated) kernel."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    bias: bool = False

    def shape(self, shape: Shape) -> Shape:
        _, height, width = shape
        return self.outputs, -(-height // self.stride), -(-width // self.stride)

    def macs(self, shape: Shape) -> int:
        _, height, width = self.shape(shape)
        return self._weights() * height * width

    def params(self) -> int:
        return self._weights() + (self.outputs if self.bias else 0)

    def _weights(self) -> int:
        return self.outputs * (self.inputs // self.groups) * self.kernel**2


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Batch normalisation with a learned scale and shift; the literature counts no MACs for it."""

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
    """A maximum or mean over windows, padded by half the kernel where it is odd; padding is not
    counted in means.
    """

    kind: Literal["max", "avg"]
    kernel: int
    stride: int = 1

    def shape(self, shape: Shape) -> Shape:
        padding = self.padding()
        side = [(size + 2 * padding - self.kernel) // self.stride + 1 for size in shape[1:]]
        return shape[0], side[0], side[1]

    def padding(self) -> int:
        return self.kernel // 2 if self.kernel % 2 else 0


@dataclass(frozen=True, slots=True)
class SqueezeExcite:
    """Channels scaled by a hard sigmoid of two 1x1 convolutions (with bias) of their means, as in
    MobileNetV3.
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
    """The mean over height and width, as features or (`keep`) as an image of one pixel."""

    keep: bool = False

    def shape(self, shape: Shape) -> Shape:
        return (shape[0], 1, 1) if self.keep else (shape[0],)


@dataclass(frozen=True, slots=True)
class Dropout(_Free):
    """Dropout while training."""

    probability: float


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix product with a bias or without."""

    inputs: int
    outputs: int
    bias: bool = True

    def shape(self, shape: Shape) -> Shape:
        return (self.outputs,)

    def macs(self, shape: Shape) -> int:
        return self.inputs * self.outputs

    def params(self) -> int:
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)


Layer: TypeAlias = (
    Conv
    | BatchNorm
    | Activation
    | Pool
    | SqueezeExcite
    | ChannelShuffle
    | GlobalPool
    | Dropout
    | Linear
)
Branch: TypeAlias = tuple[Layer, ...]


def branch_macs(branch: Branch, shape: Shape) -> int:
    """MACs of the layers of a branch, one after the other, for one image of `shape`."""
    total = 0
    for layer in branch:
        total += layer.macs(shape)
        shape = layer.shape(shape)
    return total


def normalised(conv: Conv, activation: str | None = None) -> Branch:
    """A convolution, batch normalisation, and an activation where one is named."""
    rest: Branch = (BatchNorm(conv.outputs),)
    return (conv, *rest) if activation is None else (conv, *rest, Activation(activation))
