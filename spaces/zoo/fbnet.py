"""FBNet: inverted residuals with grouped pointwise convolutions.

Wu et al., CVPR 2019 (arXiv 1812.03443), table 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.builder import ChainBuilder, check_stages, layers
from spaces.heads.registry import CLASSIFIER
from spaces.registry import register_space
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser

CANDIDATES = {
    "k3e1": (3, 1, 1),
    "k3e1g2": (3, 1, 2),
    "k3e3": (3, 3, 1),
    "k3e6": (3, 6, 1),
    "k5e1": (5, 1, 1),
    "k5e1g2": (5, 1, 2),
    "k5e3": (5, 3, 1),
    "k5e6": (5, 6, 1),
}
"""Name -> (kernel, expansion, groups), in the order of table 2."""

SKIP = "skip"
"""The candidate that passes the input."""


@register_space("fbnet")
def fbnet(
    name: str,
    /,
    *,
    input_size: int = 224,
    channels: tuple[int, ...] = (16, 24, 32, 64, 112, 184, 352),
    repeats: tuple[int, ...] = (1, 4, 4, 4, 4, 4, 1),
    strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1),
    stem_channels: int = 16,
    head_channels: int = 1984,
    head: str = CLASSIFIER,
    num_classes: int = 1000,
) -> SearchSpace:
    """Build the space of the paper: 22 layers with 9 candidates.

    `skip` passes the input; where the stride or the channels change, it is a pointwise convolution,
    as in the authors' code.
    """
    check_stages(name, channels=channels, repeats=repeats, strides=strides)
    chain = ChainBuilder((3, input_size, input_size))
    chain.conv(stem_channels, 3, 2, "relu")

    for out, count, first_stride in zip(channels, repeats, strides, strict=True):
        # Only the first layer of a stage has a stride.
        for repeat in range(count):
            stride = first_stride if repeat == 0 else 1
            chain.choice(_candidates(chain, out, stride), out, stride)

    attached = chain.attach(head)
    if attached is None:
        chain.conv(head_channels, 1, 1, "relu")

    return chain.space(name, num_classes, _initialiser, affine_supernet=True, attached=attached)


def _candidates(chain: ChainBuilder, channels: int, stride: int) -> dict[str, tuple[Block, ...]]:
    output = chain.shape_after(channels, stride)
    same = output == chain.shape
    candidates: dict[str, tuple[Block, ...]] = {
        name: (
            Block(
                "fbnet",
                chain.shape,
                output,
                kernel,
                stride=stride,
                activation="relu",
                expansion=expansion,
                groups=groups if groups > 1 else None,
                shortcut=same,
            ),
        )
        for name, (kernel, expansion, groups) in CANDIDATES.items()
    }

    # Where shapes differ, skipping needs a projection, which has weights.
    projection = Block("conv", chain.shape, output, 1, stride=stride, activation="relu")
    candidates[SKIP] = () if same else (projection,)

    return candidates


def _initialiser() -> Initialiser:
    from spaces.modules.network import FanOutInitialiser

    return FanOutInitialiser()


PUBLISHED = {
    "fbnet-a": (
        "fbnet(head_channels=1504)",
        layers(
            "skip k3e3 k3e1 skip skip k5e6 k3e3 k5e1 k3e3 k5e6 k5e3 k5e1g2 k5e6 k3e6 k5e1g2 k5e3"
            " k3e1g2 k5e6 k5e6 k5e3 k5e6 k5e6"
        ),
    ),
    "fbnet-b": (
        "fbnet",
        layers(
            "k3e1 k3e6 k5e1 k3e1 k3e1 k5e6 k5e3 k3e6 k5e6 k5e6 k5e6 skip k5e3 k5e6 k3e1 k5e1 k5e3 "
            "k5e6 k5e1 k5e6 k5e6 k3e6"
        ),
    ),
    "fbnet-c": (
        "fbnet",
        layers(
            "k3e1 k3e6 skip k3e1 k3e1 k5e6 k5e3 k5e6 k3e6 k5e6 k5e3 k5e6 k5e6 k5e6 k5e6 k5e6 k5e3 "
            "k5e6 k5e6 k5e6 k5e6 k3e6"
        ),
    ),
}
"""The authors' networks, as name -> (space, choices)."""
