"""Between the descriptions of net.config files and architectures of chains of inverted residual
blocks.
"""

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

MOMENTUM = 0.1
EPSILONS = {PROXYLESS: 1e-3, MOBILENET: 1e-5}
"""Name of the network -> batch normalisation's epsilon in all published files."""


def describe(space: ChainSpace, architecture: Architecture, ofa: bool) -> NetConfig:
    """The description of an architecture; `ofa` tells the dialect.

    Raises:
        InvalidArchitecture: the space has blocks that a net.config cannot say; the block is named.
    """
    before: list[ConvLayer] = []
    blocks: list[ResidualBlock] = []
    last: list[ConvLayer] = []
    chosen = architecture.choices
    *parts, classifier = space.layout
    for part in parts:
        candidate = part.candidates[chosen[part.key]] if isinstance(part, ChoiceLayer) else (part,)
        for block in candidate:
            if block.operator == "mbconv":
                blocks.append(_residual(block, ofa))
            elif block.operator in ("conv", "conv_act"):
                (last if blocks else before).append(_conv(block))
            elif block.operator != "global_pool":  # which the file leaves to the kind of network
                raise InvalidArchitecture(f"a net.config has no way to say {block.key!r}")
        if not candidate and isinstance(part, ChoiceLayer) and chosen[part.key] != SKIP:
            blocks.append(ResidualBlock(None, _inputs(part)))
    if (
        len(before) != 1
        or len(last) not in (1, 2)
        or not blocks
        or not isinstance(classifier, Block)
    ):
        raise InvalidArchitecture(
            f"a net.config is for networks of inverted residual blocks, not for {space.name}"
        )
    name = MOBILENET if len(last) == 2 else PROXYLESS
    return NetConfig(
        name,
        ofa,
        before[0],
        tuple(blocks),
        tuple(last),
        classifier.input[0],
        classifier.output[0],
        _dropout(classifier),
        MOMENTUM,
        EPSILONS[name],
    )


def choose(space: ChainSpace, blocks: Iterable[ResidualBlock]) -> dict[str, str]:
    """Choice -> candidate of the blocks, stage by stage; a stage's missing layers are skipped.

    Raises:
        InvalidArchitecture: a stage or layer too many or too few, or one with an unknown kernel or
            expansion.
    """
    given = [(index, block) for index, block in enumerate(blocks)][len(_fixed(space)) :]
    stages, wanted = _stages(given), _choice_stages(space)
    if len(stages) != len(wanted):
        raise InvalidArchitecture(
            f"{space.name} has {len(wanted)} stages of layers to choose, not {len(stages)}"
        )
    chosen: dict[str, str] = {}
    for stage, layers in zip(stages, wanted, strict=True):
        start = stage[0][0]
        if len(stage) > len(layers):
            raise InvalidArchitecture(
                f"blocks[{start + len(layers)}]: the stage from blocks[{start}] has at most"
                f" {len(layers)} layers"
            )
        for layer, (index, block) in zip(layers, stage, strict=False):
            chosen[layer.key] = _candidate(layer, index, block)
        for layer in layers[len(stage) :]:
            if SKIP not in layer.candidates:
                raise InvalidArchitecture(
                    f"the stage from blocks[{start}] has {len(stage)} layers, too few"
                )
            chosen[layer.key] = SKIP
    return chosen


def _candidate(layer: ChoiceLayer, index: int, block: ResidualBlock) -> str:
    name = ZERO if block.layer is None else f"k{block.layer.kernel}e{block.layer.expansion}"
    if name not in layer.candidates:
        raise InvalidArchitecture(
            f"blocks[{index}]: {layer.key} has no candidate {name!r}; there is:"
            f" {', '.join(layer.candidates)}"
        )
    return name


def _stages(given: list[tuple[int, ResidualBlock]]) -> list[list[tuple[int, ResidualBlock]]]:
    # A stage begins where stride or channels change, which is where there is no shortcut.
    stages: list[list[tuple[int, ResidualBlock]]] = []
    for index, block in given:
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
    inputs, outputs, expansion = block.input[0], block.output[0], block.expansion or 1
    hidden = inputs * expansion if ofa and expansion > 1 else None
    activation = block.activation or "relu6"
    layer = InvertedLayer(
        inputs,
        outputs,
        block.kernel or 3,
        block.stride or 1,
        expansion,
        hidden,
        activation,
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
