"""Single Path One-Shot: ShuffleNetV2 blocks, as in the official release.

Guo et al., ECCV 2020 (arXiv 1904.00420).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.chains.chain import ChainSpace
from spaces.errors import InvalidParameter
from spaces.heads.attached import attach
from spaces.heads.registry import CLASSIFIER
from spaces.registry import register_space
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser

KERNELS = {"k3": 3, "k5": 5, "k7": 7}
"""Candidate -> kernel of its shuffle block."""

XCEPTION = "xcep"
"""The candidate of three depthwise convolutions."""

ROUNDINGS: dict[str, Callable[[float], int]] = {"down": int, "nearest": round}
"""Name -> how the channels inside a block become an integer; the release has int()."""


@register_space("spos")
def spos(
    name: str,
    /,
    *,
    input_size: int = 224,
    repeats: tuple[int, ...] = (4, 4, 8, 4),
    channels: tuple[int, ...] = (64, 160, 320, 640),
    stem_channels: int = 16,
    stem_stride: int = 2,
    head_channels: int = 1024,
    channel_scales: tuple[float, ...] = (),
    rounding: str = "down",
    head: str = CLASSIFIER,
    num_classes: int = 1000,
) -> SearchSpace:
    """Build the space of the paper: 20 blocks with 4 operations each.

    `channel_scales` also opens the channels inside the blocks, as the paper's channel search does:
    there is one candidate for each operation and scale, such as `k3x0.6`. `rounding` is `down`, as
    in the release, or `nearest`, as Pathfit had it until 0.2.0.
    """
    _check(name, repeats, channels, stem_channels, channel_scales, rounding)

    # Sizes are rounded up, as padded convolutions do.
    size = -(-input_size // stem_stride)
    stem_shape = (stem_channels, size, size)
    stem = Block(
        "conv",
        (3, input_size, input_size),
        stem_shape,
        kernel=3,
        stride=stem_stride,
        activation="relu",
    )
    layers, (width, size, _) = _layers(
        name, stem_shape, repeats, channels, channel_scales, ROUNDINGS[rounding]
    )
    attached = attach(head, [stem, *layers], (3, input_size, input_size))
    if attached is not None:
        return ChainSpace(
            name,
            attached.wiring(num_classes).items,
            (3, input_size, input_size),
            num_classes,
            None,
            _initialiser,
            attached=attached,
        )

    last = Block(
        "conv",
        (width, size, size),
        (head_channels, size, size),
        kernel=1,
        stride=1,
        activation="relu",
    )

    def classifier(classes: int) -> Block:
        return Block("classifier", (head_channels, size, size), (classes,))

    layout: list[Block | ChoiceLayer] = [stem, *layers, last, classifier(num_classes)]
    return ChainSpace(
        name, layout, (3, input_size, input_size), num_classes, classifier, _initialiser
    )


@register_space("spos-channels")
def spos_channels(
    name: str,
    /,
    *,
    input_size: int = 224,
    repeats: tuple[int, ...] = (4, 4, 8, 4),
    channels: tuple[int, ...] = (64, 160, 320, 640),
    stem_channels: int = 16,
    head_channels: int = 1024,
    channel_scales: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0),
    rounding: str = "down",
    head: str = CLASSIFIER,
    num_classes: int = 1000,
) -> SearchSpace:
    """Build the space of the paper's joint search: 40 operations and channels per block."""
    return spos(
        name,
        input_size=input_size,
        repeats=repeats,
        channels=channels,
        stem_channels=stem_channels,
        head_channels=head_channels,
        channel_scales=channel_scales,
        rounding=rounding,
        head=head,
        num_classes=num_classes,
    )


@register_space("spos-tiny")
def spos_tiny(
    name: str,
    /,
    *,
    input_size: int = 32,
    repeats: tuple[int, ...] = (2, 2, 2),
    channels: tuple[int, ...] = (48, 96, 192),
    stem_channels: int = 16,
    stem_stride: int = 2,
    head_channels: int = 256,
    head: str = CLASSIFIER,
    num_classes: int = 10,
) -> SearchSpace:
    """Build a space of the same blocks, with 4^6 architectures on small images.

    Its supernet trains in about a minute on two processor cores.
    """
    return spos(
        name,
        input_size=input_size,
        repeats=repeats,
        channels=channels,
        stem_channels=stem_channels,
        stem_stride=stem_stride,
        head_channels=head_channels,
        head=head,
        num_classes=num_classes,
    )


def _check(
    name: str,
    repeats: tuple[int, ...],
    channels: tuple[int, ...],
    stem_channels: int,
    channel_scales: tuple[float, ...],
    rounding: str,
) -> None:
    """Raise InvalidParameter where a parameter of `spos` is wrong."""
    if rounding not in ROUNDINGS:
        raise InvalidParameter(
            f"{name}: rounding must be one of {', '.join(ROUNDINGS)}, not {rounding!r}"
        )
    if any(
        isinstance(scale, bool) or not isinstance(scale, int | float) for scale in channel_scales
    ):
        raise InvalidParameter(f"{name}: channel_scales must be numbers, not {channel_scales}")
    if not repeats or len(repeats) != len(channels):
        raise InvalidParameter(
            f"{name}: repeats and channels need one entry a stage; got {repeats} and {channels}"
        )

    if stem_channels % 2 or any(width % 4 for width in channels):
        raise InvalidParameter(
            f"{name}: stem_channels must be even and channels multiples of 4, for blocks split them"
            f" in two; got {stem_channels} and {channels}"
        )


def _layers(
    name: str,
    shape: tuple[int, int, int],
    repeats: tuple[int, ...],
    channels: tuple[int, ...],
    channel_scales: tuple[float, ...],
    rounding: Callable[[float], int],
) -> tuple[list[ChoiceLayer], tuple[int, int, int]]:
    """Return the layers of all stages, and the shape of the last one's output.

    Args:
        name: Name of the space, for errors.
        shape: Shape of the first layer's input.
        repeats: Number of layers of each stage.
        channels: Output channels of each stage.
        channel_scales: Candidates for the channels inside the blocks; see `spos`.
        rounding: Function from scaled channels to an integer.
    """
    width, size, _ = shape
    layers: list[ChoiceLayer] = []

    for count, out in zip(repeats, channels, strict=True):
        for repeat in range(count):
            stride = 2 if repeat == 0 else 1
            next_size = -(-size // stride)

            # A strided block concatenates its input's channels with new ones.
            if stride == 2 and out <= width:
                raise InvalidParameter(
                    f"{name}: a stage of {out} channels cannot follow one of {width}"
                )

            candidates = _candidates(
                (width, size, size),
                (out, next_size, next_size),
                stride,
                _hidden_by_suffix(out // 2, channel_scales, rounding),
            )
            layers.append(ChoiceLayer(f"layer_{len(layers) + 1}", candidates))
            width = out
            size = next_size

    return layers, (width, size, size)


def _hidden_by_suffix(
    base: int, scales: tuple[float, ...], integer: Callable[[float], int]
) -> dict[str, int]:
    """Return the channels inside a block by the suffix of its candidates."""
    if not scales:
        return {"": base}
    return {f"x{scale:g}": max(1, integer(base * scale)) for scale in scales}


def _candidates(
    inputs: tuple[int, int, int],
    outputs: tuple[int, int, int],
    stride: int,
    hidden_by_suffix: Mapping[str, int],
) -> dict[str, tuple[Block, ...]]:
    candidates: dict[str, tuple[Block, ...]] = {
        f"{candidate}{suffix}": (Block("shuffle", inputs, outputs, kernel, hidden, stride, "relu"),)
        for candidate, kernel in KERNELS.items()
        for suffix, hidden in hidden_by_suffix.items()
    }

    for suffix, hidden in hidden_by_suffix.items():
        candidates[f"{XCEPTION}{suffix}"] = (
            Block("xception", inputs, outputs, 3, hidden, stride, "relu"),
        )

    return candidates


def _initialiser() -> Initialiser:
    from spaces.modules.network import release_initialiser

    return release_initialiser


PUBLISHED = {
    "spos": ("spos", (2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)),
}
"""The release's network, as name -> (space, codes)."""
