"""NAS-Bench-Macro: 8 layers with 3 candidates each, all trained on CIFAR-10.

Su et al., CVPR 2021 (arXiv 2103.11922).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.builder import ChainBuilder
from spaces.registry import register_space
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser

IDENTITY = "identity"
"""The candidate that passes the input."""


@register_space("nasbench-macro")
def nasbench_macro(
    name: str,
    /,
    *,
    input_size: int = 32,
    repeats: tuple[int, ...] = (2, 3, 3),
    stem_channels: int = 32,
    head_channels: int = 1280,
    num_classes: int = 10,
) -> SearchSpace:
    """Build the benchmark's space: each stage halves the image and doubles the channels.

    The identity of a strided layer is a pointwise convolution with batch normalisation. Candidates
    are in the order of the benchmark's digits: 0 identity, 1 MB3_K3, 2 MB6_K5.
    """
    chain = ChainBuilder((3, input_size, input_size))
    chain.conv(stem_channels, 3, 1, "relu")

    for count in repeats:
        channels = chain.shape[0] * 2
        for repeat in range(count):
            stride = 2 if repeat == 0 else 1
            output = chain.shape_after(channels, stride)
            projection = Block("conv", chain.shape, output, 1, stride=stride)

            # Within a stage the identity has no blocks; where the stage begins it must change the
            # shape.
            identity = () if stride == 1 else (projection,)
            chain.choice(
                {
                    IDENTITY: identity,
                    "k3e3": (chain.mbconv(channels, 3, 3, stride, "relu"),),
                    "k5e6": (chain.mbconv(channels, 5, 6, stride, "relu"),),
                },
                channels,
                stride,
            )

    chain.conv(head_channels, 1, 1, "relu")

    return chain.space(name, num_classes, _initialiser)


def _initialiser() -> Initialiser:
    from spaces.modules.network import FanOutInitialiser

    return FanOutInitialiser()
