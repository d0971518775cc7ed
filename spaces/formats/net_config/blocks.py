"""`net.config` files of ProxylessNAS and Once-for-All (Cai et al., arXiv 1812.00332 and 1908.09791;
MIT releases).

Both are the JSON of a chain of inverted residual blocks. OFA's blocks also state `mid_channels`,
`act_func` and `use_se`, and its shortcuts give the channels as lists; ProxylessNAS's may be a
`ZeroLayer`, which leaves the shortcut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROXYLESS, MOBILENET = "ProxylessNASNets", "MobileNetV3"
"""The names of the two kinds of networks."""

ACTIVATIONS = {"relu": "relu", "relu6": "relu6", "h_swish": "hswish"}
"""The files' name of an activation -> ours."""


CONV_DEFAULTS: dict[str, Any] = {
    "dilation": 1,
    "groups": 1,
    "bias": False,
    "has_shuffle": False,
    "dropout_rate": 0,
    "ops_order": "weight_bn_act",
}
LINEAR_DEFAULTS: dict[str, Any] = {
    "bias": True,
    "use_bn": False,
    "act_func": None,
    "ops_order": "weight_bn_act",
}
IDENTITY_DEFAULTS: dict[str, Any] = {
    "use_bn": False,
    "act_func": None,
    "dropout_rate": 0,
    "ops_order": "weight_bn_act",
}


@dataclass(frozen=True)
class ConvLayer:
    """A convolution with an activation: channels, kernel, stride; `normalised` tells of batch
    normalisation.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int
    activation: str
    normalised: bool = True


@dataclass(frozen=True)
class InvertedLayer:
    """Pointwise, depthwise and pointwise convolution.

    Args:
        inputs, outputs: channels.
        kernel: side of the depthwise kernel.
        stride: of the depthwise convolution.
        expansion: hidden channels over input channels; 1 leaves the first pointwise convolution
            out.
        hidden: channels inside; None: as the expansion says.
        activation: of the first two convolutions.
        squeeze: whether squeeze-and-excitation follows the depthwise convolution.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int
    expansion: int
    hidden: int | None
    activation: str
    squeeze: bool


@dataclass(frozen=True)
class ResidualBlock:
    """An inverted layer (None: zero, the shortcut alone is left) with a shortcut or without."""

    layer: InvertedLayer | None
    shortcut: int | None
    """Channels of the identity; None: there is none."""


@dataclass(frozen=True)
class NetConfig:
    """A whole network.

    Args:
        name: `ProxylessNASNets` or `MobileNetV3`.
        ofa: whether the file is in OFA's dialect.
        first: the stem.
        blocks: the chain.
        last: the convolutions before the classifier (the one of a MobileNetV3 that is not
            normalised follows the pool).
        features, classes: of the linear classifier.
        dropout: before the classifier, a probability.
        momentum, epsilon: of batch normalisation.
    """

    name: str
    ofa: bool
    first: ConvLayer
    blocks: tuple[ResidualBlock, ...]
    last: tuple[ConvLayer, ...]
    features: int
    classes: int
    dropout: float
    momentum: float
    epsilon: float
