"""Reading of net.config files, whose content `spaces.formats.net_config.blocks` describes."""

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
    """Return whether the JSON value of a net.config is in OFA's dialect.

    In that dialect the inverted layers state their activation or hidden channels.
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
        InvalidFile: A key is missing, unexpected or has a wrong value; its path is named, such as
            `blocks[3].mobile_inverted_conv.kernel_size`.
    """
    value = parse_json(text)
    fields = Fields(value)
    ofa = is_ofa(value)
    name = fields.fixed("name", PROXYLESS, MOBILENET)
    first = _conv_layer(fields, "first_conv")

    block_values = fields.take("blocks")
    if not isinstance(block_values, list) or not block_values:
        raise InvalidFile(
            f"blocks must be a list with at least one block, not {block_values!r:.60}"
        )

    # ProxylessNAS's blocks have the activation of the stem, and do not state it.
    blocks = tuple(
        _block(Fields(block, f"blocks[{index}]"), ofa, first.activation)
        for index, block in enumerate(block_values)
    )

    names: tuple[str, ...] = ("feature_mix_layer",)
    if name == MOBILENET:
        names = ("final_expand_layer", *names)
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

    # Fields of the release that have one value in all its networks; another would be lost silently.
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
    features = fields.integer("in_features")
    classes = fields.integer("out_features")
    dropout = fields.number("dropout_rate")
    fields.end()
    return features, classes, dropout


def _block(fields: Fields, ofa: bool, activation: str) -> ResidualBlock:
    fields.fixed("name", "MobileInvertedResidualBlock")
    layer = _inverted_layer(fields.fields("mobile_inverted_conv"), ofa, activation)
    shortcut = _shortcut(fields, ofa)
    if layer is None and shortcut is None:
        raise InvalidFile(
            f"{fields.at('shortcut')} must be an IdentityLayer, since the block's layer is a"
            " ZeroLayer"
        )

    # An identity can be added to outputs of the inputs' shape only.
    changes_shape = layer is not None and (layer.stride != 1 or layer.inputs != layer.outputs)
    if changes_shape and shortcut is not None:
        raise InvalidFile(
            f"{fields.at('shortcut')} must be null, since the block changes the shape"
        )

    fields.end()
    return ResidualBlock(layer, shortcut)


def _inverted_layer(fields: Fields, ofa: bool, activation: str) -> InvertedLayer | None:
    if fields.fixed("name", "MBInvertedConvLayer", "ZeroLayer") == "ZeroLayer":
        fields.fixed("stride", 1)
        fields.end()
        return None

    inputs = fields.integer("in_channels")
    outputs = fields.integer("out_channels")
    kernel = _kernel(fields)
    stride = fields.integer("stride")
    expansion = fields.integer("expand_ratio")
    hidden = None
    squeeze = False

    # OFA's files state three more fields; those of ProxylessNAS follow from the kind of network.
    if ofa:
        hidden = fields.optional_integer("mid_channels")
        activation = ACTIVATIONS[fields.fixed("act_func", *ACTIVATIONS)]
        squeeze = fields.flag("use_se")

    fields.end()
    return InvertedLayer(inputs, outputs, kernel, stride, expansion, hidden, activation, squeeze)


def _shortcut(parent: Fields, ofa: bool) -> int | None:
    value = parent.take("shortcut")
    if value is None:
        return None

    fields = Fields(value, parent.at("shortcut"))
    fields.fixed("name", "IdentityLayer")
    for name, default in IDENTITY_DEFAULTS.items():
        fields.fixed(name, default)

    inputs = _channels(fields, "in_channels", ofa)
    outputs = _channels(fields, "out_channels", ofa)

    # An identity cannot change the number of channels.
    if inputs != outputs:
        raise InvalidFile(
            f"{fields.at('out_channels')} must be in_channels ({inputs}), not {outputs}"
        )
    fields.end()
    return inputs


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
    """Check that every layer has as many input channels as the layer before it has outputs."""
    channels = config.first.outputs
    for index, block in enumerate(config.blocks):
        if block.layer is not None:
            _check(
                f"blocks[{index}].mobile_inverted_conv.in_channels", block.layer.inputs, channels
            )
        if block.shortcut is not None:
            _check(f"blocks[{index}].shortcut.in_channels", block.shortcut, channels)
        # A ZeroLayer leaves the channels as they are.
        if block.layer is not None:
            channels = block.layer.outputs

    for name, layer in zip(last, config.last, strict=True):
        _check(f"{name}.in_channels", layer.inputs, channels)
        channels = layer.outputs

    _check("classifier.in_features", config.features, channels)


def _check(path: str, channels: int, expected: int) -> None:
    if channels != expected:
        raise InvalidFile(
            f"{path} is {channels}, but the layer before it has {expected} output channels"
        )
