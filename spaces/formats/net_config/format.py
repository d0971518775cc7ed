"""net.config files as architectures of proxylessnas, ofa-proxyless and ofa-mobilenetv3."""

from __future__ import annotations

import json
from typing import Any

from spaces.architecture import Architecture
from spaces.chains.chain import ChainSpace
from spaces.chains.elastic_depth import ElasticDepthSpace
from spaces.chains.resolution import ResolutionSpace
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats.format import Source
from spaces.formats.net_config.blocks import MOBILENET, NetConfig
from spaces.formats.net_config.parser import is_ofa, parse_net_config
from spaces.formats.net_config.run_config import read_image_size
from spaces.formats.net_config.space import choose, describe
from spaces.formats.net_config.writer import write_net_config
from spaces.registry import get
from spaces.space import SearchSpace, require_networks

INPUT_SIZE = 224
"""Height and width in pixels of the images for a net.config without a run.config."""

# The widths of OFA's released supernets, by the channels of their first convolution.
_OFA = {
    MOBILENET: ("ofa-mobilenetv3", {16: 1.0, 24: 1.2}),
    "ProxylessNASNets": ("ofa-proxyless", {32: 1.0, 40: 1.3}),
}


class NetConfigFormat:
    """net.config files of one dialect.

    Args:
        ofa: Whether blocks state `mid_channels`, `act_func` and `use_se`, like Once-for-All's.
    """

    def __init__(self, ofa: bool):
        self.ofa = ofa

    def detects(self, text: str, value: object) -> bool:
        return (
            isinstance(value, dict)
            and "blocks" in value
            and "first_conv" in value
            and is_ofa(value) == self.ofa
        )

    def read(self, source: Source) -> Architecture:
        config = parse_net_config(source.text)
        if config.ofa != self.ofa:
            raise InvalidFile(
                f"the blocks are in the dialect of {'OFA' if config.ofa else 'ProxylessNAS'}"
            )

        size = source.input_size or read_image_size(source.path)
        space = source.space or self._space(config, size or INPUT_SIZE)
        chain, codes = _at_size(require_networks(space), size)
        self._check(chain)

        architecture = chain.architecture(choose(chain, config.blocks))
        # The choices do not cover widths and strides, which must be the space's as well.
        _check_equal(chain, config, describe(chain, architecture, self.ofa))
        return space.architecture([*codes, *chain.encode([architecture])[0].tolist()])

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        codes = space.encode([architecture])[0]
        if isinstance(space, ResolutionSpace):
            # The first code is that of the resolution, which a run.config states.
            space = space.at(int(codes[0]))
            codes = codes[1:]
        chain = self._check(space)
        return write_net_config(describe(chain, chain.architecture(codes), self.ofa))

    def _check(self, space: ChoiceSpace) -> ChainSpace:
        if (
            not isinstance(space, ChainSpace)
            or isinstance(space, ElasticDepthSpace) != self.ofa
            or not space.is_chain
        ):
            kind = "OFA" if self.ofa else "ProxylessNAS"
            raise InvalidArchitecture(f"{kind}'s net.config is not for {space.name}")
        return space

    def _space(self, config: NetConfig, size: int) -> SearchSpace:
        return _ofa_space(config, size) if self.ofa else _proxylessnas_space(config, size)


def _ofa_space(config: NetConfig, size: int) -> SearchSpace:
    name, widths = _OFA[config.name]
    if config.first.outputs not in widths:
        raise InvalidArchitecture(
            f"first_conv.out_channels is {config.first.outputs}; the supernets of {name} begin with"
            f" {' or '.join(map(str, widths))} channels: name the space"
        )
    return get(
        name, width=widths[config.first.outputs], resolutions=(size,), num_classes=config.classes
    )


def _proxylessnas_space(config: NetConfig, size: int) -> SearchSpace:
    if config.name == MOBILENET:
        raise InvalidArchitecture("name is 'MobileNetV3', but only OFA has these networks")

    # A block without a shortcut begins a stage; one with a shortcut repeats the block before it.
    first, *cells = config.blocks
    channels: list[int] = []
    repeats: list[int] = []
    strides: list[int] = []
    for index, block in enumerate(cells, 1):
        if block.shortcut is not None:
            if not repeats:
                raise InvalidArchitecture(
                    f"blocks[{index}].shortcut must be null where the first stage begins; in a"
                    " network of another space, name the space"
                )

            repeats[-1] += 1
        elif block.layer is not None:
            channels.append(block.layer.outputs)
            strides.append(block.layer.stride)
            repeats.append(1)

    if first.layer is None or not cells:
        raise InvalidArchitecture(
            "a network of ProxylessNAS begins with a fixed block, after which there are cells"
        )

    return get(
        "proxylessnas",
        input_size=size,
        channels=tuple(channels),
        repeats=tuple(repeats),
        strides=tuple(strides),
        first_channels=config.first.outputs,
        second_channels=first.layer.outputs,
        head_channels=config.last[0].outputs,
        num_classes=config.classes,
    )


def _at_size(space: SearchSpace, size: int | None) -> tuple[Any, list[int]]:
    """Return the space at an image size, and the codes that mean the size.

    Args:
        space: Space with one or several image sizes.
        size: Height and width in pixels; None for the first of the space.
    """
    if isinstance(space, ResolutionSpace):
        if size is not None and size not in space.resolutions:
            raise InvalidArchitecture(
                f"{space.name} has the resolutions {space.resolutions}, not {size}"
            )

        # Files without a run.config do not state the size.
        code = 0 if size is None else space.resolutions.index(size)
        return space.at(code), [code]
    if size is not None and size != space.input_shape[1]:
        raise InvalidArchitecture(
            f"{space.name} has the input size {space.input_shape[1]}, not {size}"
        )

    return space, []


def _check_equal(space: ChainSpace, config: NetConfig, built: NetConfig) -> None:
    values = [json.loads(write_net_config(description)) for description in (config, built)]
    # Dropout belongs to the training of a network and not to its architecture.
    for value in values:
        del value["classifier"]["dropout_rate"]

    difference = _difference(*values)
    if difference is not None:
        path, value, expected = difference
        raise InvalidArchitecture(f"{path} is {value!r}, but in {space.name} it is {expected!r}")


def _difference(first: Any, second: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return path and both values of the first field that differs."""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        pairs = [(f"{path}.{key}" if path else key, first[key], second[key]) for key in first]
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        items = enumerate(zip(first, second, strict=True))
        pairs = [(f"{path}[{index}]", *pair) for index, pair in items]
    else:
        return None if first == second else (path, first, second)

    differences = (_difference(value, other, inner_path) for inner_path, value, other in pairs)
    return next((difference for difference in differences if difference is not None), None)


def proxylessnas() -> NetConfigFormat:
    """net.config files of ProxylessNAS."""
    return NetConfigFormat(ofa=False)


def ofa() -> NetConfigFormat:
    """net.config files of Once-for-All."""
    return NetConfigFormat(ofa=True)
