"""Conversion between net.config files and architectures of chains of inverted residual blocks."""

from __future__ import annotations

from collections.abc import Iterable

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.chains.chain import ChainSpace
from spaces.chains.elastic_depth import SKIP
from spaces.errors import InvalidArchitecture
from spaces.formats.net_config.blocks import (
    MOBILENET,
    PROXYLESS,
    ConvLayer,
    InvertedLayer,
    NetConfig,
    ResidualBlock,
)
from spaces.operators import operator
from spaces.operators.layers import Dropout
from spaces.zoo.proxylessnas import ZERO

# Momentum of the releases' batch normalisation.
MOMENTUM = 0.1
EPSILONS = {PROXYLESS: 1e-3, MOBILENET: 1e-5}
"""Name of the network -> epsilon of batch normalisation in all published files."""


def describe(space: ChainSpace, architecture: Architecture, ofa: bool) -> NetConfig:
    """Describe an architecture as a net.config.

    Args:
        space: Space of the architecture.
        architecture: Architecture to describe.
        ofa: Whether the description is in OFA's dialect.

    Raises:
        InvalidArchitecture: The space has blocks that a net.config cannot express; one is named.
    """
    stem: list[ConvLayer] = []
    blocks: list[ResidualBlock] = []
    last: list[ConvLayer] = []
    *layers, classifier = space.layout
    for layer in layers:
        candidate = (layer,) if isinstance(layer, Block) else _blocks(layer, architecture)
        for block in candidate:
            if block.operator == "mbconv":
                blocks.append(_residual(block, ofa))
            # A convolution among the candidates would end up in front of the blocks or after them.
            elif isinstance(layer, Block) and block.operator in ("conv", "conv_act"):
                (last if blocks else stem).append(_conv(block))
            # The pool is part of each kind of network, and not of its file.
            elif block.operator != "global_pool":
                raise InvalidArchitecture(f"a net.config cannot express {block.key!r}")

        # A candidate without blocks is a ZeroLayer, unless it shortens its stage.
        if (
            isinstance(layer, ChoiceLayer)
            and not candidate
            and architecture.choices[layer.key] != SKIP
        ):
            blocks.append(ResidualBlock(None, _inputs(layer)))

    if len(stem) != 1 or len(last) not in (1, 2) or not blocks or not isinstance(classifier, Block):
        raise InvalidArchitecture(
            f"a net.config is for networks of inverted residual blocks, not for {space.name}"
        )

    name = MOBILENET if len(last) == 2 else PROXYLESS

    return NetConfig(
        name,
        ofa,
        stem[0],
        tuple(blocks),
        tuple(last),
        classifier.input[0],
        classifier.output[0],
        _dropout(classifier) if space.dropout is None else space.dropout,
        MOMENTUM,
        EPSILONS[name],
    )


def choose(space: ChainSpace, blocks: Iterable[ResidualBlock]) -> dict[str, str]:
    """Find the choices that yield blocks, stage by stage.

    Args:
        space: Space of the choices.
        blocks: Blocks of a net.config; where a stage has fewer than layers, the last are skipped.

    Returns:
        Choice -> candidate.

    Raises:
        InvalidArchitecture: A stage or layer is missing or superfluous, or has an unknown kernel or
            expansion.
    """
    # Fixed blocks, such as the first, are no choices.
    numbered = list(enumerate(blocks))[len(_fixed(space)) :]
    stages = _stages(numbered)
    choice_stages = _choice_stages(space)
    if len(stages) != len(choice_stages):
        raise InvalidArchitecture(
            f"{space.name} has {len(choice_stages)} stages of layers to choose, not {len(stages)}"
        )

    choices: dict[str, str] = {}
    for stage, layers in zip(stages, choice_stages, strict=True):
        start = stage[0][0]
        if len(stage) > len(layers):
            raise InvalidArchitecture(
                f"blocks[{start + len(layers)}]: the stage from blocks[{start}] has at most"
                f" {len(layers)} layers"
            )

        # Not strict: a shorter stage skips its last layers.
        for layer, (index, block) in zip(layers, stage, strict=False):
            choices[layer.key] = _candidate(layer, index, block)
        for layer in layers[len(stage) :]:
            if SKIP not in layer.candidates:
                raise InvalidArchitecture(
                    f"the stage from blocks[{start}] has {len(stage)} layers, too few"
                )
            choices[layer.key] = SKIP

    return choices


def _candidate(layer: ChoiceLayer, index: int, block: ResidualBlock) -> str:
    if block.layer is None:
        # Called `zero` by the release and `identity` by others; to skip is to shorten the stage.
        without_blocks = (
            candidate
            for candidate, blocks in layer.candidates.items()
            if not blocks and candidate != SKIP
        )
        name = next(without_blocks, ZERO)
    else:
        name = f"k{block.layer.kernel}e{block.layer.expansion}"

    if name not in layer.candidates:
        raise InvalidArchitecture(
            f"blocks[{index}]: {layer.key} has no candidate {name!r}; it has:"
            f" {', '.join(layer.candidates)}"
        )
    return name


def _blocks(layer: ChoiceLayer, architecture: Architecture) -> tuple[Block, ...]:
    return tuple(layer.candidates[architecture.choices[layer.key]])


def _stages(numbered: list[tuple[int, ResidualBlock]]) -> list[list[tuple[int, ResidualBlock]]]:
    # A stage begins where stride or channels change, which rules out a shortcut.
    stages: list[list[tuple[int, ResidualBlock]]] = []
    for index, block in numbered:
        if block.shortcut is None or not stages:
            stages.append([])
        stages[-1].append((index, block))
    return stages


def _choice_stages(space: ChainSpace) -> list[list[ChoiceLayer]]:
    stages: list[list[ChoiceLayer]] = []
    for layer in space.choice_layers:
        block = next(block for blocks in layer.candidates.values() for block in blocks)
        if not block.shortcut or not stages:
            stages.append([])
        stages[-1].append(layer)
    return stages


def _fixed(space: ChainSpace) -> list[Block]:
    return [block for block in space.fixed_blocks if block.operator == "mbconv"]


def _residual(block: Block, ofa: bool) -> ResidualBlock:
    inputs = block.input[0]
    expansion = block.expansion or 1

    # OFA's files state the hidden channels of blocks that expand.
    hidden = inputs * expansion if ofa and expansion > 1 else None
    layer = InvertedLayer(
        inputs,
        block.output[0],
        block.kernel or 3,
        block.stride or 1,
        expansion,
        hidden,
        block.activation or "relu6",
        block.se,
    )

    return ResidualBlock(layer, inputs if block.shortcut else None)


def _conv(block: Block) -> ConvLayer:
    return ConvLayer(
        block.input[0],
        block.output[0],
        block.kernel or 1,
        block.stride or 1,
        block.activation or "relu",
        block.operator == "conv",
    )


def _inputs(layer: ChoiceLayer) -> int:
    return next(block.input[0] for blocks in layer.candidates.values() for block in blocks)


def _dropout(classifier: Block) -> float:
    layers = [
        layer
        for branch, _ in operator(classifier.operator).branches(classifier).values()
        for layer in branch
    ]
    return next((layer.probability for layer in layers if isinstance(layer, Dropout)), 0.0)
