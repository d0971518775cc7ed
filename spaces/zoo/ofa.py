"""Once-for-All: elastic depth, kernel, expansion and resolution.

Cai et al., ICLR 2020 (arXiv 1908.09791). A candidate of a layer is a kernel and an expansion; the
third and fourth layer of a stage are optional (`skip`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from spaces.block import Block
from spaces.chains.additive_space import AdditiveSpace
from spaces.chains.builder import ChainBuilder, layers, scaled
from spaces.chains.elastic_depth import SKIP, ElasticDepthSpace
from spaces.chains.resolution import ResolutionSpace
from spaces.errors import InvalidParameter
from spaces.heads.attached import AttachedHead
from spaces.heads.registry import CLASSIFIER
from spaces.registry import get, register_space
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser


_AtResolution: TypeAlias = Callable[[int, str], ElasticDepthSpace]
"""Function input size, name -> space."""

SUPERNET_DROPOUT = 0.1
"""Dropout of the release's supernets (mit-han-lab/once-for-all, train_ofa_net.py)."""

_NUM_STAGES = 5
"""Stages of MobileNetV3-Large with a choice."""


@dataclass(frozen=True)
class _Stage:
    channels: int
    stride: int
    activation: str
    se: bool = False
    max_layers: int = 4


@dataclass(frozen=True)
class _Elastic:
    """The open parameters that both spaces share."""

    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]

    def check(self, name: str) -> None:
        """Raise InvalidParameter, naming the space, for values that no supernet can have."""
        if sorted(set(self.depths)) != list(range(min(self.depths), max(self.depths) + 1)):
            raise InvalidParameter(
                f"{name}: depths must be numbers that follow each other, not {self.depths}"
            )

        if any(kernel % 2 == 0 for kernel in self.kernels) or 1 in self.expansions:
            raise InvalidParameter(
                f"{name}: kernels must be odd and expansions more than 1; got {self.kernels} and"
                f" {self.expansions}"
            )


@register_space("ofa-mobilenetv3")
def ofa_mobilenetv3(
    name: str,
    /,
    *,
    resolutions: tuple[int, ...] = (224,),
    width: float = 1.0,
    depths: tuple[int, ...] = (2, 3, 4),
    kernels: tuple[int, ...] = (3, 5, 7),
    expansions: tuple[int, ...] = (3, 4, 6),
    strides: tuple[int, ...] = (2, 2, 2, 1, 2),
    stem_stride: int = 2,
    head: str = CLASSIFIER,
    num_classes: int = 1000,
) -> SearchSpace:
    """Build MobileNetV3-Large's stages; the release has the widths 1.0 and 1.2.

    With other strides of stages and stem, small images keep their size for longer, as in aw_nas.
    """
    elastic = _Elastic(depths, kernels, expansions)
    elastic.check(name)
    if len(strides) != _NUM_STAGES or {*strides, stem_stride} - {1, 2}:
        raise InvalidParameter(
            f"{name}: strides must be {_NUM_STAGES} numbers of 1 or 2, and so stem_stride; got"
            f" {strides} and {stem_stride}"
        )

    first, *channels = scaled((16, 24, 40, 80, 112, 160), width)
    expand, last = scaled((960, 1280), width)
    activations = ("relu", "relu", "hswish", "hswish", "hswish")
    squeezes = (False, True, False, True, True)
    stages = [
        _Stage(*fields) for fields in zip(channels, strides, activations, squeezes, strict=True)
    ]

    def at(size: int, name: str) -> ElasticDepthSpace:
        chain = ChainBuilder((3, size, size))
        chain.conv(first, 3, stem_stride, "hswish")
        chain.fixed(chain.mbconv(first, 3, 1, 1, "relu"))

        # A chain for each resolution: block shapes differ with the image.
        optional = _add_stages(chain, stages, elastic)
        attached = chain.attach(head)
        if attached is None:
            chain.conv(expand, 1, 1, "hswish")
            chain.fixed(Block("global_pool", chain.shape, (expand, 1, 1)))
            chain.conv(last, 1, 1, "hswish", operator="conv_act")

        # The net.configs of the release have 0.1 at the width 1.0 and 0.2 at 1.2.
        dropout = 0.2 if width > 1 else 0.1
        return _finish(
            name, chain, attached, optional, num_classes, "linear_dropout", 1e-5, dropout
        )

    return _with_resolutions(name, resolutions, head, at)


@register_space("ofa-proxyless")
def ofa_proxyless(
    name: str,
    /,
    *,
    resolutions: tuple[int, ...] = (224,),
    width: float = 1.3,
    depths: tuple[int, ...] = (2, 3, 4),
    kernels: tuple[int, ...] = (3, 5, 7),
    expansions: tuple[int, ...] = (3, 4, 6),
    head: str = CLASSIFIER,
    num_classes: int = 1000,
) -> SearchSpace:
    """Build ProxylessNAS's stages, the last one of one layer; the release has the width 1.3."""
    elastic = _Elastic(depths, kernels, expansions)
    elastic.check(name)

    first, second, *channels = scaled((32, 16, 24, 40, 80, 96, 192, 320), width)
    last = scaled((1280,), width)[0]
    strides = (2, 2, 2, 1, 2, 1)
    depths_of_stages = (4, 4, 4, 4, 4, 1)
    stages = [
        _Stage(out, stride, "relu6", max_layers=depth)
        for out, stride, depth in zip(channels, strides, depths_of_stages, strict=True)
    ]

    def at(size: int, name: str) -> ElasticDepthSpace:
        chain = ChainBuilder((3, size, size))
        chain.conv(first, 3, 2, "relu6")
        chain.fixed(chain.mbconv(second, 3, 1, 1, "relu6"))
        optional = _add_stages(chain, stages, elastic)
        attached = chain.attach(head)
        if attached is None:
            chain.conv(last, 1, 1, "relu6")
        return _finish(name, chain, attached, optional, num_classes, "linear", 1e-3)

    return _with_resolutions(name, resolutions, head, at)


def _add_stages(
    chain: ChainBuilder, stages: Sequence[_Stage], elastic: _Elastic
) -> list[list[str]]:
    """Append the layers of stages to a chain; return the keys of each stage's optional layers."""
    optional: list[list[str]] = []
    for stage in stages:
        # A stage of one layer has no elastic depth.
        depths = (1,) if stage.max_layers == 1 else elastic.depths

        # Keys of the layers beyond the smallest depth.
        keys: list[str] = []
        for index in range(max(depths)):
            stride = stage.stride if index == 0 else 1
            candidates = chain.mbconvs(
                stage.channels,
                elastic.kernels,
                elastic.expansions,
                stride,
                stage.activation,
                stage.se,
            )
            if index >= min(depths):
                candidates = {SKIP: (), **candidates}
            chain.choice(candidates, stage.channels, stride)
            if index >= min(depths):
                keys.append(chain.last_key)

        optional.append(keys)

    return optional


def _finish(
    name: str,
    chain: ChainBuilder,
    attached: AttachedHead | None,
    optional: list[list[str]],
    num_classes: int,
    operator: str,
    epsilon: float,
    dropout: float | None = None,
) -> ElasticDepthSpace:
    def initialise() -> Initialiser:
        from spaces.modules.network import FanOutInitialiser

        return FanOutInitialiser(epsilon)

    return ElasticDepthSpace(
        name,
        *chain.arguments(num_classes, operator, attached),
        initialise,
        False,
        attached,
        optional=optional,
        dropout=dropout,
        supernet_dropout=SUPERNET_DROPOUT,
    )


def _with_resolutions(
    name: str, resolutions: tuple[int, ...], head: str, at: _AtResolution
) -> SearchSpace:
    if not resolutions or len(set(resolutions)) < len(resolutions):
        raise InvalidParameter(
            f"{name}: resolutions needs sizes that differ, at least one, not {resolutions}"
        )

    if len(resolutions) == 1:
        return at(resolutions[0], name)

    # The maps from which a detector predicts, and the order of its outputs, depend on the size.
    if head != CLASSIFIER:
        raise InvalidParameter(
            f"{name}: a head other than {CLASSIFIER} needs one resolution, such as"
            f" input_size={max(resolutions)}; got {resolutions}"
        )

    # Each size is the registered space of that single resolution.
    return ResolutionSpace(
        name, resolutions, lambda size: _additive(get(name, resolutions=(size,)))
    )


def _additive(space: SearchSpace) -> AdditiveSpace:
    assert isinstance(space, AdditiveSpace)
    return space


PUBLISHED = {
    "ofa-flops-389m": (
        "ofa-mobilenetv3(width=1.2)",
        layers(
            "k3e3 k3e3 skip skip k5e3 k5e6 k3e3 skip k5e4 k5e4 k3e3 skip k5e6 k5e4 k3e4 k3e4 k3e6"
            " k3e6 k7e6 k3e3"
        ),
    ),
    "ofa-note10-30ms": (
        "ofa-mobilenetv3(width=1.2)",
        layers(
            "k3e3 k3e3 skip skip k5e4 k3e3 k3e4 skip k5e4 k5e4 k3e3 skip k3e6 k3e4 k3e4 skip k3e6"
            " k3e6 k3e4 k3e3"
        ),
    ),
    "ofa-pixel1-20ms": (
        "ofa-mobilenetv3(resolutions=(152,))",
        layers(
            "k3e3 k3e3 skip skip k5e3 k5e3 skip skip k7e4 k3e3 skip skip k5e3 k3e4 skip skip k3e6"
            " k7e6 skip skip"
        ),
    ),
    "ofa-cpu-10ms": (
        "ofa-proxyless(resolutions=(144,))",
        layers(
            "k5e4 k3e3 skip skip k3e3 k3e3 skip skip k7e3 k3e3 k7e3 skip k5e3 k5e4 skip skip k5e3"
            " k3e4 skip skip k3e4"
        ),
    ),
    "ofa-v100-5ms": (
        "ofa-proxyless(resolutions=(128,))",
        layers(
            "k3e3 k3e3 skip skip k5e3 k3e6 skip skip k3e4 k5e4 k3e6 skip k3e4 k3e6 k7e4 skip k3e6"
            " k5e4 k5e4 skip k3e4"
        ),
    ),
}
"""The release's specialised networks, as name -> (space, choices)."""
