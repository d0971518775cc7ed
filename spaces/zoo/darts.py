"""DARTS: a normal and a reducing cell with 8 operations, and cells of other designs.

Liu et al., ICLR 2019 (arXiv 1806.09055; quark0/darts); ENAS: Pham et al., ICML 2018 (arXiv
1802.03268).
"""

from __future__ import annotations

from collections.abc import Sequence

from spaces.cells.darts import Skeleton, thirds
from spaces.cells.darts_design import CELLS, NODES, OPERATIONS, SLOTS, CellDesign
from spaces.errors import InvalidParameter
from spaces.registry import register_space
from spaces.space import SearchSpace
from spaces.zoo.darts_space import SEARCH_CHANNELS, SEARCH_LAYERS, DartsSearchSpace, DartsSpace

_AUXILIARY_SIDES = (7, 8)
"""Sides of the features that an auxiliary head can read."""

ENAS_OPERATIONS = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5")
"""Operations of ENAS' cells (arXiv 1802.03268, section 2.4), in aw_nas' order."""

ENAS_NODES = 5
"""Nodes of ENAS' cells."""


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
    primitives: tuple[str, ...] = OPERATIONS,
    steps: int = NODES,
    inputs: int = SLOTS,
    reductions: tuple[int, ...] = (),
) -> SearchSpace:
    """Build the space of the networks that the paper trains on CIFAR-10.

    Args:
        name: Canonical name.
        input_size: Height and width of the images in pixels.
        channels: Channels of a node in the first cells; each reduction doubles them.
        layers: Number of cells.
        stem_multiplier: Ratio of the channels of the stem to `channels`.
        strided_stem: Whether the stem is three strided convolutions, as for ImageNet.
        auxiliary: Whether networks have an auxiliary classifier for training.
        repeated_inputs: Whether operations of a node may read one input, as in aw_nas.
        num_classes: Number of classes.
        primitives: Operations of an edge: `none`, `skip_connect`, and `max_pool`, `avg_pool`,
            `sep_conv`, `dil_conv` and `nor_conv` with a kernel, such as `sep_conv_5x5`.
        steps: Nodes of a cell; its output concatenates all of them.
        inputs: Earlier values that a node reads; a node with fewer earlier values reads all, so
            that `steps` + 1 is a dense cell.
        reductions: Positions of the reducing cells, where the first cell has position 0 and cannot
            reduce. Empty: at one and two thirds.
    """
    design = CellDesign(tuple(primitives), steps, inputs, repeated_inputs)
    skeleton = _skeleton(
        name, input_size, channels, layers, stem_multiplier, strided_stem, design, reductions
    )
    if auxiliary and skeleton.auxiliary_shape[1] not in _AUXILIARY_SIDES:
        raise InvalidParameter(
            f"{name}: the auxiliary head needs an input_size of 32, or 224 with the strided stem"
        )

    return DartsSpace(name, skeleton, num_classes, auxiliary)


def _skeleton(
    name: str,
    input_size: int,
    channels: int,
    layers: int,
    stem_multiplier: int,
    strided_stem: bool,
    design: CellDesign,
    reductions: Sequence[int],
) -> Skeleton:
    """Check the sizes of networks and return their skeleton."""
    if layers < 3 or channels % 2:
        raise InvalidParameter(
            f"{name}: there must be 3 layers at least, two of which reduce, and an even number of"
            f" channels; got {layers} and {channels}"
        )

    positions = tuple(reductions) or thirds(layers)
    # The first cell is normal, so that every choice has an effect.
    if list(positions) != sorted({*positions} & {*range(1, layers)}):
        raise InvalidParameter(
            f"{name}: reductions must be some of the positions 1 ... {layers - 1} in ascending"
            f" order, not {positions}"
        )

    # The strided stem halves images three times, each reducing cell once.
    divisor = 2 ** (len(positions) + (3 if strided_stem else 0))
    if input_size % divisor:
        raise InvalidParameter(
            f"{name}: input_size must be a multiple of {divisor}, not {input_size}"
        )

    image = (3, input_size, input_size)
    return Skeleton(image, channels, layers, stem_multiplier, strided_stem, design, positions)


@register_space("enas")
def enas(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = 36,
    layers: int = 20,
    auxiliary: bool = False,
    num_classes: int = 10,
) -> SearchSpace:
    """Build the space of ENAS' cells as aw_nas has them: 5 nodes, 5 operations, inputs repeat.

    The release of ENAS concatenates the loose ends of a cell; here, as in aw_nas, an output is all
    nodes.
    """
    return darts(
        name,
        input_size=input_size,
        channels=channels,
        layers=layers,
        auxiliary=auxiliary,
        repeated_inputs=True,
        num_classes=num_classes,
        primitives=ENAS_OPERATIONS,
        steps=ENAS_NODES,
    )


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
    primitives: tuple[str, ...] = OPERATIONS,
    steps: int = NODES,
    inputs: int = SLOTS,
    reductions: tuple[int, ...] = (),
    channel_divisor: int = 1,
    edge_weights: bool = False,
) -> SearchSpace:
    """Build the network in which the release searches for architectures of `networks`.

    Args:
        name: Canonical name.
        input_size: Height and width of the images in pixels.
        channels: Channels of a node in the first cells; each reduction doubles them.
        layers: Number of cells.
        stem_multiplier: Ratio of the channels of the stem to `channels`.
        num_classes: Number of classes.
        networks: Space of the resulting architectures.
        primitives: Operations of an edge, as of `darts`.
        steps: Nodes of a cell.
        inputs: Earlier values that a node of the resulting architecture reads.
        reductions: Positions of the reducing cells. Empty: at one and two thirds.
        channel_divisor: Ratio of the channels to those that go through the operations of an edge,
            as in PC-DARTS (arXiv 1907.05737); the others pass.
        edge_weights: Whether the edges of a node are weighted, as in the same paper.
    """
    design = CellDesign(tuple(primitives), steps, inputs)
    skeleton = _skeleton(
        name, input_size, channels, layers, stem_multiplier, False, design, reductions
    )
    if channels % channel_divisor:
        raise InvalidParameter(
            f"{name}: channel_divisor must divide the {channels} channels, unlike {channel_divisor}"
        )
    return DartsSearchSpace(name, skeleton, num_classes, networks, channel_divisor, edge_weights)


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
        for node in range(NODES):
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
