"""Wider and deeper copies of trained networks that compute the same function.

Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016 (arXiv 1511.05641).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidRun
from spaces.block import Block
from spaces.modules.blocks import ResidualBlock, SqueezeExcitation
from spaces.modules.network import ChainNetwork

_NORM_FIELDS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class ChannelMap:
    """Where each channel of a wider network comes from.

    Args:
        source: Index of the channel that each channel repeats, [channels].
        fraction: Factor of each channel where it is read, [channels]; the factors of all copies of
            a channel have the sum 1.
    """

    source: Tensor
    fraction: Tensor

    @classmethod
    def identity(cls, channels: int) -> ChannelMap:
        """Return the map of a network that is not wider."""
        return cls(torch.arange(channels), torch.ones(channels))

    @classmethod
    def widened(cls, channels: int, wider: int, generator: torch.Generator) -> ChannelMap:
        """Return a map that repeats random channels after all of them (Net2Net, section 2.3).

        The factors of copies differ. With equal ones, as in the paper, copies would have equal
        gradients for ever, unless noise is added, which changes the function.

        Args:
            channels: Number of channels of the trained network.
            wider: Number of channels of the wider one.
            generator: Source of the repeated channels and of the factors.

        Example:
            >>> wide = ChannelMap.widened(2, 3, torch.Generator().manual_seed(0))
            >>> wide.source[:2].tolist(), len(wide.source)
            ([0, 1], 3)
            >>> torch.zeros(2).index_add(0, wide.source, wide.fraction).tolist()
            [1.0, 1.0]
        """
        if channels == wider:
            return cls.identity(channels)

        repeated = torch.randint(channels, (wider - channels,), generator=generator)
        source = torch.cat((torch.arange(channels), repeated))
        parts = 0.5 + torch.rand(wider, generator=generator)
        totals = torch.zeros(channels).index_add(0, source, parts)
        return cls(source, parts / totals[source])

    @property
    def is_identity(self) -> bool:
        """Whether every channel occurs once, in order."""
        return torch.equal(self.source, torch.arange(len(self.source))) and bool(
            (self.fraction == 1).all()
        )


@torch.no_grad()
def morph(
    network: nn.Module,
    source: nn.Module,
    blocks: Sequence[Block],
    source_blocks: Sequence[Block],
    seed: int = 0,
) -> int:
    """Give a wider or deeper network the function of a trained one.

    A block may have more channels, inside or out, and a larger kernel, whose border begins with
    zeros. Additional blocks with a shortcut begin with a branch that returns 0.

    Args:
        network: Network to be initialised, a chain of blocks.
        source: Trained network, a chain of blocks.
        blocks: Blocks of the network.
        source_blocks: Blocks of the trained network.
        seed: Seed of the channels that are repeated.

    Returns:
        Number of blocks that the trained network has not.

    Raises:
        InvalidRun: A network is no chain, or a block cannot be grown into the other's.
    """
    if not isinstance(network, ChainNetwork) or not isinstance(source, ChainNetwork):
        raise InvalidRun("init-from grows networks that are chains of blocks; use init for others")

    generator = torch.Generator().manual_seed(seed)
    channels = ChannelMap.identity(blocks[0].input[0])
    added = 0
    for module, block, origin in zip(
        network.blocks, blocks, align(blocks, source_blocks), strict=True
    ):
        if origin is None:
            _silence(module)
            added += 1
            continue
        channels = _grow(module, source.blocks[origin], block, channels, generator)

    return added


def align(blocks: Sequence[Block], source_blocks: Sequence[Block]) -> list[int | None]:
    """Return the trained block that each block grows from; None for an additional one.

    Raises:
        InvalidRun: A trained block is left over; it is named with the block in its place.
    """
    furthest = (0, 0)

    @functools.cache
    def match(position: int, origin: int) -> tuple[int | None, ...] | None:
        """Return the origins of the blocks from `position` on; None where there are none."""
        nonlocal furthest
        furthest = max(furthest, (origin, position))
        if position == len(blocks):
            return () if origin == len(source_blocks) else None

        block = blocks[position]
        if origin < len(source_blocks) and _grows(source_blocks[origin], block):
            following = match(position + 1, origin + 1)
            if following is not None:
                return (origin, *following)
        # Only a block with a shortcut can begin as the identity.
        if block.shortcut:
            following = match(position + 1, origin)
            if following is not None:
                return (None, *following)
        return None

    origins = match(0, 0)
    if origins is None:
        origin, position = furthest
        before = source_blocks[origin].key if origin < len(source_blocks) else "the end"
        after = blocks[position].key if position < len(blocks) else "the end"
        raise InvalidRun(f"init-from: {before!r} cannot be grown into {after!r}")
    return list(origins)


def _grows(source: Block, block: Block) -> bool:
    """Return whether a block can compute the same as a trained one with fewer channels."""
    same = ("operator", "stride", "activation", "groups", "dilation", "se", "shortcut")
    if any(getattr(source, field) != getattr(block, field) for field in same):
        return False
    # Classifiers have one number of dimensions, images three.
    if len(source.output) != len(block.output) or source.input[1:] != block.input[1:]:
        return False

    has_more = all(
        (getattr(block, field) or 0) >= (getattr(source, field) or 0)
        for field in ("kernel", "expansion", "hidden")
    )
    # At the expansion 1 there is no first convolution, which an activation follows.
    same_layers = ((source.expansion or 1) == 1) == ((block.expansion or 1) == 1)
    is_wider = block.input[0] >= source.input[0] and block.output[0] >= source.output[0]
    return has_more and same_layers and is_wider


def _silence(module: nn.Module) -> None:
    """Let the branch of a residual block return 0: the last normalisation scales by 0."""
    assert isinstance(module, ResidualBlock)
    last = [layer for layer in module.main if isinstance(layer, nn.BatchNorm2d)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


def _grow(
    module: nn.Module,
    source: nn.Module,
    block: Block,
    channels: ChannelMap,
    generator: torch.Generator,
) -> ChannelMap:
    """Give a block the function of a trained one.

    Args:
        module: Module of the block.
        source: Trained module.
        block: Block, for messages.
        channels: Channels of the input.
        generator: Source of the channels that are repeated.

    Returns:
        Channels of the output.
    """
    if isinstance(module, ResidualBlock) and isinstance(source, ResidualBlock):
        # Channels of a sum must be those of both summands.
        _grow_chain(module.main, source.main, block, channels, channels, generator)
        return channels
    if isinstance(module, nn.Sequential) and isinstance(source, nn.Sequential):
        return _grow_chain(module, source, block, channels, None, generator)

    shapes = [value.shape for value in module.state_dict().values()]
    if not channels.is_identity or shapes != [
        value.shape for value in source.state_dict().values()
    ]:
        raise InvalidRun(f"init-from: {block.key!r} can be copied but not grown")
    module.load_state_dict(source.state_dict())
    return ChannelMap.identity(block.output[0])


def _grow_chain(
    module: nn.Sequential,
    source: nn.Sequential,
    block: Block,
    channels: ChannelMap,
    output: ChannelMap | None,
    generator: torch.Generator,
) -> ChannelMap:
    """Grow layers one after the other; arguments as of `_grow`.

    Args:
        output: Channels that the last dense convolution must have; None: any.
    """
    layers = list(_layers(module))
    dense = [layer for layer in layers if isinstance(layer, nn.Conv2d) and layer.groups == 1]
    for layer, trained in zip(layers, _layers(source), strict=True):
        match layer, trained:
            case nn.Conv2d(), nn.Conv2d() if layer.groups == 1:
                wider = ChannelMap.widened(trained.out_channels, layer.out_channels, generator)
                if output is not None and layer is dense[-1]:
                    wider = output
                _grow_conv(layer, trained, channels, wider)
                channels = wider
            case nn.Conv2d(), nn.Conv2d() if layer.groups == layer.in_channels:
                layer.weight.copy_(_padded(trained.weight[channels.source], layer))
            case nn.BatchNorm2d(), nn.BatchNorm2d():
                _copy_norm(layer, trained, channels)
            case SqueezeExcitation(), SqueezeExcitation():
                reduced = ChannelMap.widened(
                    trained.reduce.out_channels, layer.reduce.out_channels, generator
                )
                _grow_conv(layer.reduce, trained.reduce, channels, reduced)
                _grow_conv(layer.expand, trained.expand, reduced, channels)
            case nn.Linear(), nn.Linear():
                layer.weight.copy_(trained.weight[:, channels.source] * channels.fraction)
                if layer.bias is not None and trained.bias is not None:
                    layer.bias.copy_(trained.bias)
                channels = ChannelMap.identity(layer.out_features)
            case _ if channels.is_identity and not layer.state_dict():
                continue
            case nn.Conv2d() | nn.ChannelShuffle(), _:
                raise InvalidRun(f"init-from: groups of {block.key!r} cannot be grown")

    return channels


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of nested sequences in order."""
    for layer in module.children():
        if isinstance(layer, nn.Sequential):
            yield from _layers(layer)
        else:
            yield layer


def _grow_conv(
    layer: nn.Conv2d, trained: nn.Conv2d, inputs: ChannelMap, outputs: ChannelMap
) -> None:
    """Repeat the filters of a dense convolution, and divide the weights of repeated inputs."""
    weight = trained.weight[outputs.source][:, inputs.source]
    layer.weight.copy_(_padded(weight * inputs.fraction[:, None, None], layer))
    if layer.bias is not None and trained.bias is not None:
        layer.bias.copy_(trained.bias[outputs.source])


def _padded(weight: Tensor, layer: nn.Conv2d) -> Tensor:
    """Return filters in the centre of those of a layer with a larger kernel."""
    border = (layer.kernel_size[0] - weight.shape[-1]) // 2
    return nn.functional.pad(weight, (border, border, border, border))


def _copy_norm(layer: nn.BatchNorm2d, trained: nn.BatchNorm2d, channels: ChannelMap) -> None:
    for name in _NORM_FIELDS:
        value = getattr(trained, name)
        if value is not None:
            getattr(layer, name).copy_(value[channels.source])
