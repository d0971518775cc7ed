"""DARTS: a normal and a reducing cell with 8 operations.

Liu et al., ICLR 2019 (arXiv 1806.09055; quark0/darts).
"""

from __future__ import annotations

from spaces.cells.darts import CELLS, INPUTS, SLOTS, Skeleton
from spaces.errors import InvalidParameter
from spaces.registry import register_space
from spaces.space import SearchSpace
from spaces.zoo.darts_space import SEARCH_CHANNELS, SEARCH_LAYERS, DartsSearchSpace, DartsSpace

_AUXILIARY_SIDES = (7, 8)
"""Sides of the features that an auxiliary head can read."""


@register_space("darts")
def darts(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = 36,
    layers: int = 20,
    stem_multiplier: int = 3,
    strided_stem: bool = False,
    auxiliary: bool = False,
    repeated_inputs: bool = False,
    num_classes: int = 10,
) -> SearchSpace:
    """Build the space of the networks that the paper trains on CIFAR-10.

    With `repeated_inputs` both operations of a node may read one input, as in aw_nas.
    """
    # The strided stem halves images three times, the reducing cells twice.
    divisor = 32 if strided_stem else 4
    if input_size % divisor:
        raise InvalidParameter(
            f"{name}: input_size must be a multiple of {divisor}, not {input_size}"
        )

    if layers < 3 or channels % 2:
        raise InvalidParameter(
            f"{name}: there must be 3 layers at least, two of which reduce, and an even number of"
            f" channels; got {layers} and {channels}"
        )

    skeleton = Skeleton(
        (3, input_size, input_size), channels, layers, stem_multiplier, strided_stem
    )
    if auxiliary and skeleton.auxiliary_shape[1] not in _AUXILIARY_SIDES:
        raise InvalidParameter(
            f"{name}: the auxiliary head needs an input_size of 32, or 224 with the strided stem"
        )

    return DartsSpace(name, skeleton, num_classes, auxiliary, repeated_inputs)


@register_space("darts-search")
def darts_search(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = SEARCH_CHANNELS,
    layers: int = SEARCH_LAYERS,
    stem_multiplier: int = 3,
    num_classes: int = 10,
    networks: str = "darts",
) -> SearchSpace:
    """Build the network in which the release searches for architectures of `networks`."""
    if input_size % 4 or layers < 3 or channels % 2:
        raise InvalidParameter(
            f"{name}: input_size must be a multiple of 4, layers at least 3 and channels even; got"
            f" {input_size}, {layers} and {channels}"
        )
    skeleton = Skeleton((3, input_size, input_size), channels, layers, stem_multiplier, False)
    return DartsSearchSpace(name, skeleton, num_classes, networks)


@register_space("darts-imagenet")
def darts_imagenet(
    name: str,
    /,
    *,
    input_size: int = 224,
    channels: int = 48,
    layers: int = 14,
    auxiliary: bool = False,
    repeated_inputs: bool = False,
    num_classes: int = 1000,
) -> SearchSpace:
    """Build the space of the paper's networks for ImageNet, with a stem of strided convolutions."""
    return darts(
        name,
        input_size=input_size,
        channels=channels,
        layers=layers,
        strided_stem=True,
        auxiliary=auxiliary,
        repeated_inputs=repeated_inputs,
        num_classes=num_classes,
    )


@register_space("darts-tiny")
def darts_tiny(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = 8,
    layers: int = 5,
    auxiliary: bool = False,
    repeated_inputs: bool = False,
    num_classes: int = 10,
) -> SearchSpace:
    """Build a space of networks of five narrow cells."""
    return darts(
        name,
        input_size=input_size,
        channels=channels,
        layers=layers,
        auxiliary=auxiliary,
        repeated_inputs=repeated_inputs,
        num_classes=num_classes,
    )


def _genotype(normal: str, reduce: str) -> dict[str, str]:
    """Parse the `input:operation` pairs of both cells, two per node, into choices."""
    choices: dict[str, str] = {}
    for cell, text in zip(CELLS, (normal, reduce), strict=True):
        edges = [edge.split(":") for edge in text.split()]
        for node in range(len(INPUTS)):
            pair = edges[SLOTS * node : SLOTS * (node + 1)]
            choices[f"{cell}_{node}_inputs"] = "+".join(source for source, _ in pair)
            choices |= {
                f"{cell}_{node}_op_{slot}": operation for slot, (_, operation) in enumerate(pair)
            }

    return choices


_V1 = _genotype(
    "0:sep_conv_3x3 1:sep_conv_3x3 0:skip_connect 1:sep_conv_3x3 0:skip_connect 1:sep_conv_3x3 "
    "0:sep_conv_3x3 2:skip_connect",
    "0:max_pool_3x3 1:max_pool_3x3 0:max_pool_3x3 2:skip_connect 0:max_pool_3x3 2:skip_connect "
    "0:avg_pool_3x3 2:skip_connect",
)
_V2 = _genotype(
    "0:sep_conv_3x3 1:sep_conv_3x3 0:sep_conv_3x3 1:sep_conv_3x3 0:skip_connect 1:sep_conv_3x3 "
    "0:skip_connect 2:dil_conv_3x3",
    "0:max_pool_3x3 1:max_pool_3x3 1:max_pool_3x3 2:skip_connect 0:max_pool_3x3 2:skip_connect "
    "1:max_pool_3x3 2:skip_connect",
)

PUBLISHED = {
    "darts-v1": ("darts", _V1),
    "darts-v2": ("darts", _V2),
    "darts-v1-imagenet": ("darts-imagenet", _V1),
    "darts-v2-imagenet": ("darts-imagenet", _V2),
}
"""The release's cells, by first- and second-order approximation, as name -> (space, choices)."""
