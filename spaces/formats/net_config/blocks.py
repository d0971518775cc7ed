"""Content of the `net.config` files of ProxylessNAS and Once-for-All.

The formats are those of the MIT releases of Cai et al., arXiv 1812.00332 and 1908.09791: JSON of a
chain of inverted residual blocks. OFA's blocks also state `mid_channels`, `act_func` and `use_se`,
and its shortcuts have the channels as lists; ProxylessNAS's layers may be a `ZeroLayer`, which
leaves only the shortcut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROXYLESS = "ProxylessNASNets"
"""Name of ProxylessNAS's networks in the files."""
MOBILENET = "MobileNetV3"
"""Name of Once-for-All's MobileNetV3 in the files."""

ACTIVATIONS = {"relu": "relu", "relu6": "relu6", "h_swish": "hswish"}
"""Name of an activation in the files -> name in Pathfit."""

# Fields that have these values in every published file; other values are refused.

# Fields that the releases write with one value in all published networks.
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
    """A convolution with an activation.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the kernel.
        stride: Stride.
        activation: Name of the activation in Pathfit.
        normalised: Whether batch normalisation follows the convolution.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int
    activation: str
    normalised: bool = True


@dataclass(frozen=True)
class InvertedLayer:
    """A pointwise, a depthwise and a pointwise convolution.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        expansion: Hidden channels over input channels; 1 omits the first pointwise convolution.
        hidden: Hidden channels; None: those that follow from the expansion.
        activation: Activation of the first two convolutions, named as in Pathfit.
        squeeze: Whether squeeze-and-excitation follows the depthwise convolution.
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
    """An inverted layer with a shortcut or without.

    Args:
        layer: Inverted layer; None for a ZeroLayer, so that only the shortcut remains.
        shortcut: Channels of the identity; None for a block without a shortcut.
    """

    layer: InvertedLayer | None
    shortcut: int | None


@dataclass(frozen=True)
class NetConfig:
    """A network.

    Args:
        name: `ProxylessNASNets` or `MobileNetV3`.
        ofa: Whether the file is in OFA's dialect.
        first: Stem.
        blocks: Chain of blocks.
        last: Convolutions before the classifier; the one of a MobileNetV3 that is not normalised
            follows the pool.
        features: Input features of the linear classifier.
        classes: Outputs of the linear classifier.
        dropout: Probability of dropout before the classifier.
        momentum: Momentum of batch normalisation.
        epsilon: Epsilon of batch normalisation.
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
