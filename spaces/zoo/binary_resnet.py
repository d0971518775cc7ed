"""Binary residual networks, with XNOR-ResNet-18 and Bi-Real-ResNet-18 as two of them.

Rastegari et al., ECCV 2016 (arXiv 1603.05279); Liu et al., ECCV 2018 (arXiv 1808.00278).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.builder import ChainBuilder, check_stages
from spaces.registry import register_space
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser


@register_space("binary-resnet")
def binary_resnet(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: tuple[int, ...] = (64, 128, 256, 512),
    repeats: tuple[int, ...] = (2, 2, 2, 2),
    estimator: str = "sign",
    num_classes: int = 10,
) -> SearchSpace:
    """Build a space of binary residual networks for small images.

    A layer is a residual block: `xnor` has one shortcut around two binary convolutions, `bireal`
    one around each, `single` has one convolution, and `skip`, where the shape allows it, none. The
    stem, the projections of strided layers and the classifier compute in floats. `estimator` is
    that of the sign's gradient: `sign` (clipped) or `sign_quadratic`.
    """
    check_stages(name, channels=channels, repeats=repeats)
    chain = ChainBuilder((3, input_size, input_size))
    chain.conv(channels[0], 3, 1, "relu")

    for stage, (width, count) in enumerate(zip(channels, repeats, strict=True)):
        for repeat in range(count):
            # The first stage keeps the size of the image, and its stem has the width already.
            stride = 2 if stage and not repeat else 1
            chain.choice(_candidates(chain, width, stride, estimator), width, stride)

    return chain.space(name, num_classes, _initialiser, affine_supernet=True)


def _candidates(
    chain: ChainBuilder, channels: int, stride: int, estimator: str
) -> dict[str, tuple[Block, ...]]:
    output = chain.shape_after(channels, stride)

    def block(operator: str, first: bool = True) -> Block:
        source = chain.shape if first else output
        return Block(
            operator,
            source,
            output,
            3,
            stride=stride if first else 1,
            activation=estimator,
            # A reduction has a projection in place of a shortcut.
            shortcut="reduce" not in operator,
        )

    second = block("binary_conv", first=False)
    if output == chain.shape:
        return {
            "xnor": (block("binary_pair"),),
            "bireal": (block("binary_conv"), second),
            "single": (block("binary_conv"),),
            "skip": (),
        }

    return {
        "xnor": (block("binary_reduce_pair"),),
        "bireal": (block("binary_reduce"), second),
        "single": (block("binary_reduce"),),
    }


def _initialiser() -> Initialiser:
    from spaces.modules.network import FanOutInitialiser

    return FanOutInitialiser()


def _uniform(candidate: str) -> dict[str, str]:
    return {f"layer_{number}": candidate for number in range(1, 9)}


PUBLISHED = {
    "xnor-resnet18": ("binary-resnet", _uniform("xnor")),
    "bireal-resnet18": ("binary-resnet", _uniform("bireal")),
}
"""The baselines of binary networks for CIFAR-10, as name -> (space, choices)."""
