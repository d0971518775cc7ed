"""ProxylessNAS: MobileNetV2 blocks, as in the official release.

Cai et al., ICLR 2019 (arXiv 1812.00332).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.chains.builder import ChainBuilder, check_stages, layers, scaled
from spaces.heads.registry import CLASSIFIER
from spaces.registry import register_space
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 6)

# Of the six stages with choices.
STRIDES = (2, 2, 2, 1, 2, 1)

ZERO = "zero"
"""The candidate that leaves a layer out."""


@register_space("proxylessnas")
def proxylessnas(
    name: str,
    /,
    *,
    input_size: int = 224,
    channels: tuple[int, ...] = (24, 40, 80, 96, 192, 320),
    repeats: tuple[int, ...] = (4, 4, 4, 4, 4, 1),
    strides: tuple[int, ...] = STRIDES,
    first_channels: int = 32,
    second_channels: int = 16,
    head_channels: int = 1280,
    width: float = 1.0,
    head: str = CLASSIFIER,
    num_classes: int = 1000,
) -> SearchSpace:
    """Build the space of the paper: 21 layers; `zero` leaves a layer out if it has a shortcut.

    `width` multiplies all channels, but those of the head only above 1, as in the release.
    """
    check_stages(name, channels=channels, repeats=repeats, strides=strides)
    first, second, *stages = scaled((first_channels, second_channels, *channels), width)
    # A narrow network keeps the full head.
    last = scaled((head_channels,), max(width, 1.0))[0]

    chain = ChainBuilder((3, input_size, input_size))
    chain.conv(first, 3, 2, "relu6")
    chain.fixed(chain.mbconv(second, 3, 1, 1, "relu6"))

    for out, count, first_stride in zip(stages, repeats, strides, strict=True):
        for repeat in range(count):
            stride = first_stride if repeat == 0 else 1
            candidates = chain.mbconvs(out, KERNELS, EXPANSIONS, stride, "relu6")
            # Without a layer its input must have the shape of its output.
            if chain.shape_after(out, stride) == chain.shape:
                candidates[ZERO] = ()
            chain.choice(candidates, out, stride)

    attached = chain.attach(head)
    if attached is None:
        chain.conv(last, 1, 1, "relu6")

    return chain.space(name, num_classes, _initialiser, affine_supernet=True, attached=attached)


@register_space("proxylessnas-tiny")
def proxylessnas_tiny(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: tuple[int, ...] = (16, 24, 40),
    repeats: tuple[int, ...] = (2, 2, 2),
    strides: tuple[int, ...] = (1, 2, 2),
    first_channels: int = 16,
    second_channels: int = 8,
    head_channels: int = 160,
    width: float = 1.0,
    head: str = CLASSIFIER,
    num_classes: int = 10,
) -> SearchSpace:
    """Build a space of the same blocks, with 6 layers on small images."""
    return proxylessnas(
        name,
        input_size=input_size,
        channels=channels,
        repeats=repeats,
        strides=strides,
        first_channels=first_channels,
        second_channels=second_channels,
        head_channels=head_channels,
        width=width,
        head=head,
        num_classes=num_classes,
    )


def _initialiser() -> Initialiser:
    from spaces.modules.network import FanOutInitialiser

    return FanOutInitialiser(epsilon=1e-3)


_MOBILE = (
    "k5e3 k3e3 zero zero k7e3 k3e3 k5e3 k5e3 k7e6 k5e3 k5e3 k5e3 k5e6 k5e3 k5e3 k5e3 k7e6 k7e6 k7e3"
    " k7e3 k7e6"
)

PUBLISHED = {
    "proxyless-gpu": (
        (
            "proxylessnas(channels=(32, 56, 112, 128, 256, 432), first_channels=40,"
            " head_channels=1728, second_channels=24)"
        ),
        layers(
            "k5e3 zero zero zero k7e3 zero zero k3e3 k7e6 zero zero k5e3 k5e6 zero k3e3 k5e3 k7e6"
            " k7e6 k7e6 k5e6 k7e6"
        ),
    ),
    "proxyless-cpu": (
        (
            "proxylessnas(channels=(32, 48, 88, 104, 216, 360), first_channels=40,"
            " head_channels=1432, second_channels=24)"
        ),
        layers(
            "k3e6 k3e3 k3e3 k3e3 k3e6 k3e3 k3e3 k5e3 k3e6 zero zero k3e3 k5e6 k3e3 k3e3 k3e3 k5e6"
            " k5e3 k5e3 k3e3 k5e6"
        ),
    ),
    "proxyless-mobile": ("proxylessnas(channels=(32, 40, 80, 96, 192, 320))", layers(_MOBILE)),
    "proxyless-mobile-14": (
        (
            "proxylessnas(channels=(40, 56, 112, 136, 256, 448), first_channels=48,"
            " head_channels=1792, second_channels=24)"
        ),
        layers(_MOBILE),
    ),
}
"""The release's networks, as name -> (space, choices)."""
