"""Writing of net.config files, whose content `spaces.formats.net_config.blocks` describes."""

from __future__ import annotations

import json
from typing import Any

from spaces.formats.net_config.blocks import (
    ACTIVATIONS,
    CONV_DEFAULTS,
    IDENTITY_DEFAULTS,
    LINEAR_DEFAULTS,
    MOBILENET,
    ConvLayer,
    InvertedLayer,
    NetConfig,
    ResidualBlock,
)

_NAMES = {ours: theirs for theirs, ours in ACTIVATIONS.items()}


def write_net_config(config: NetConfig) -> str:
    """Return the JSON text of a description, which `parse_net_config` reads back."""
    # MobileNetV3 expands once more before the pool.
    last = ["feature_mix_layer"]
    if config.name == MOBILENET:
        last.insert(0, "final_expand_layer")

    classifier: dict[str, Any] = {
        "name": "LinearLayer",
        "in_features": config.features,
        "out_features": config.classes,
        "dropout_rate": config.dropout,
    }
    value = {
        "name": config.name,
        "bn": {"momentum": config.momentum, "eps": config.epsilon},
        "first_conv": _conv_layer(config.first),
        "blocks": [_block(block, config.ofa) for block in config.blocks],
        **{name: _conv_layer(layer) for name, layer in zip(last, config.last, strict=True)},
        "classifier": classifier | LINEAR_DEFAULTS,
    }

    return json.dumps(value, indent=4)


def _conv_layer(layer: ConvLayer) -> dict[str, Any]:
    return {
        "name": "ConvLayer",
        "kernel_size": layer.kernel,
        "stride": layer.stride,
        "in_channels": layer.inputs,
        "out_channels": layer.outputs,
        "use_bn": layer.normalised,
        "act_func": _NAMES[layer.activation],
        **CONV_DEFAULTS,
    }


def _block(block: ResidualBlock, ofa: bool) -> dict[str, Any]:
    layer = (
        {"name": "ZeroLayer", "stride": 1}
        if block.layer is None
        else _inverted_layer(block.layer, ofa)
    )

    shortcut = None
    if block.shortcut is not None:
        # OFA's files have the channels as lists.
        channels = [block.shortcut] if ofa else block.shortcut
        shortcut = {
            "name": "IdentityLayer",
            "in_channels": channels,
            "out_channels": channels,
            **IDENTITY_DEFAULTS,
        }

    return {
        "name": "MobileInvertedResidualBlock",
        "mobile_inverted_conv": layer,
        "shortcut": shortcut,
    }


def _inverted_layer(layer: InvertedLayer, ofa: bool) -> dict[str, Any]:
    value = {
        "name": "MBInvertedConvLayer",
        "in_channels": layer.inputs,
        "out_channels": layer.outputs,
        "kernel_size": layer.kernel,
        "stride": layer.stride,
        "expand_ratio": layer.expansion,
    }
    if ofa:
        value |= {
            "mid_channels": layer.hidden,
            "act_func": _NAMES[layer.activation],
            "use_se": layer.squeeze,
        }

    return value
