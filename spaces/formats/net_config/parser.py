"""Reading the net.config of ProxylessNAS and OFA; `spaces.formats.net_config.blocks` describes
it.
"""

from __future__ import annotations

from typing import Any

from spaces.errors import InvalidFile
from spaces.formats.json_fields import Fields
from spaces.formats.json_text import parse_json
from spaces.formats.net_config.blocks import (
    ACTIVATIONS,
    CONV_DEFAULTS,
    IDENTITY_DEFAULTS,
    LINEAR_DEFAULTS,
    MOBILENET,
    PROXYLESS,
    ConvLayer,
    InvertedLayer,
    NetConfig,
    ResidualBlock,
)


def is_ofa(value: Any) -> bool:
    """Whether the JSON value of a net.config is in OFA's dialect: its inverted layers state their
    activation.
    """
    blocks = value.get("blocks") if isinstance(value, dict) else None
    layers = [
        block.get("mobile_inverted_conv") for block in blocks or () if isinstance(block, dict)
    ]
    return any(
        isinstance(layer, dict) and {"act_func", "mid_channels"} & layer.keys() for layer in layers
    )


def parse_net_config(text: str) -> NetConfig:
    """Read a net.config.

    Raises:
        InvalidFile: a key is missing, unexpected or of a wrong value; its path is named, such as
            `blocks[3].mobile_inverted_conv.kernel_size`.
    """
    value = parse_json(text)
    fields, ofa = Fields(value), is_ofa(value)
    name = fields.fixed("name", PROXYLESS, MOBILENET)
    first = _conv_layer(fields, "first_conv")
    given = fields.take("blocks")
    if not isinstance(given, list) or not given:
        raise InvalidFile(f"blocks must be a list with at least one block, not {given!r:.60}")
    activation = first.activation
    blocks = tuple(
        _block(Fields(block, f"blocks[{i}]"), ofa, activation) for i, block in enumerate(given)
    )
    names = (
        ("final_expand_layer", "feature_mix_layer") if name == MOBILENET else ("feature_mix_layer",)
    )
    last = tuple(_conv_layer(fields, key) for key in names)
    features, classes, dropout = _classifier(fields.fields("classifier"))
    bn = fields.fields("bn")
    config = NetConfig(
        name,
        ofa,
        first,
        blocks,
        last,
        features,
        classes,
        dropout,
        bn.number("momentum"),
        bn.number("eps"),
    )
    bn.end()
    fields.end()
    _check_channels(config, names)
    return config


def _conv_layer(parent: Fields, key: str) -> ConvLayer:
    fields = parent.fields(key)
    fields.fixed("name", "ConvLayer")
    for name, value in CONV_DEFAULTS.items():
        fields.fixed(name, value)
    layer = ConvLayer(
        fields.integer("in_channels"),
        fields.integer("out_channels"),
        _kernel(fields),
        fields.integer("stride"),
        ACTIVATIONS[fields.fixed("act_func", *ACTIVATIONS)],
        fields.flag("use_bn"),
    )
    fields.end()
    return layer


def _classifier(fields: Fields) -> tuple[int, int, float]:
    fields.fixed("name", "LinearLayer")
    for name, value in LINEAR_DEFAULTS.items():
        fields.fixed(name, value)
    found = (
        fields.integer("in_features"),
        fields.integer("out_features"),
        fields.number("dropout_rate"),
    )
    fields.end()
    return found


def _block(fields: Fields, ofa: bool, activation: str) -> ResidualBlock:
    fields.fixed("name", "MobileInvertedResidualBlock")
    layer = _inverted_layer(fields.fields("mobile_inverted_conv"), ofa, activation)
    shortcut = _shortcut(fields, ofa)
    if layer is None and shortcut is None:
        raise InvalidFile(
            f"{fields.at('shortcut')} must be an IdentityLayer, for the block's layer is a"
            " ZeroLayer"
        )
    if (
        layer is not None
        and shortcut is not None
        and (layer.stride != 1 or layer.inputs != layer.outputs)
    ):
        raise InvalidFile(f"{fields.at('shortcut')} must be null, for the block changes the shape")
    fields.end()
    return ResidualBlock(layer, shortcut)


def _inverted_layer(fields: Fields, ofa: bool, activation: str) -> InvertedLayer | None:
    if fields.fixed("name", "MBInvertedConvLayer", "ZeroLayer") == "ZeroLayer":
        fields.fixed("stride", 1)
        fields.end()
        return None
    inputs, outputs, kernel = (
        fields.integer("in_channels"),
        fields.integer("out_channels"),
        _kernel(fields),
    )
    stride, expansion = fields.integer("stride"), fields.integer("expand_ratio")
    hidden, squeeze = None, False
    if ofa:
        hidden = fields.optional_integer("mid_channels")
        activation, squeeze = (
            ACTIVATIONS[fields.fixed("act_func", *ACTIVATIONS)],
            fields.flag("use_se"),
        )
    fields.end()
    return InvertedLayer(inputs, outputs, kernel, stride, expansion, hidden, activation, squeeze)


def _shortcut(parent: Fields, ofa: bool) -> int | None:
    value = parent.take("shortcut")
    if value is None:
        return None
    fields = Fields(value, parent.at("shortcut"))
    fields.fixed("name", "IdentityLayer")
    for name, fixed in IDENTITY_DEFAULTS.items():
        fields.fixed(name, fixed)
    channels = [_channels(fields, key, ofa) for key in ("in_channels", "out_channels")]
    if channels[0] != channels[1]:
        raise InvalidFile(
            f"{fields.at('out_channels')} must be in_channels ({channels[0]}), not {channels[1]}"
        )
    fields.end()
    return channels[0]


def _channels(fields: Fields, key: str, ofa: bool) -> int:
    if not ofa:
        return fields.integer(key)
    value = fields.take(key)
    if isinstance(value, list) and len(value) == 1 and type(value[0]) is int:
        return int(value[0])
    raise InvalidFile(f"{fields.at(key)} must be a list of one integer, not {value!r:.60}")


def _kernel(fields: Fields) -> int:
    kernel = fields.integer("kernel_size")
    if kernel % 2 == 0:
        raise InvalidFile(f"{fields.at('kernel_size')} must be odd, not {kernel}")
    return kernel


def _check_channels(config: NetConfig, last: tuple[str, ...]) -> None:
    """Every layer must take the channels that the one before it gives."""
    channels = config.first.outputs
    for index, block in enumerate(config.blocks):
        if block.layer is not None:
            _check(
                f"blocks[{index}].mobile_inverted_conv.in_channels", block.layer.inputs, channels
            )
        if block.shortcut is not None:
            _check(f"blocks[{index}].shortcut.in_channels", block.shortcut, channels)
        channels = block.layer.outputs if block.layer is not None else channels
    for name, layer in zip(last, config.last, strict=True):
        _check(f"{name}.in_channels", layer.inputs, channels)
        channels = layer.outputs
    _check("classifier.in_features", config.features, channels)


def _check(path: str, given: int, before: int) -> None:
    if given != before:
        raise InvalidFile(f"{path} is {given}, but the layer before it gives {before} channels")
