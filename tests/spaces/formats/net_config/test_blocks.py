"""net.config files of ProxylessNAS and OFA as descriptions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spaces.errors import InvalidFile
from spaces.formats.net_config.blocks import InvertedLayer, NetConfig, ResidualBlock
from spaces.formats.net_config.parser import is_ofa, parse_net_config
from spaces.formats.net_config.writer import write_net_config


def config(ofa: bool) -> dict[str, Any]:
    """A small net.config: an inverted layer, one with a shortcut, and (ProxylessNAS) a zero."""
    conv = {
        "name": "ConvLayer",
        "dilation": 1,
        "groups": 1,
        "bias": False,
        "has_shuffle": False,
        "use_bn": True,
    }
    conv |= {"act_func": "relu6", "dropout_rate": 0, "ops_order": "weight_bn_act"}
    identity = {
        "name": "IdentityLayer",
        "in_channels": [24] if ofa else 24,
        "out_channels": [24] if ofa else 24,
    }
    identity |= {"use_bn": False, "act_func": None, "dropout_rate": 0, "ops_order": "weight_bn_act"}

    def inverted(inputs: int, stride: int, expansion: int) -> dict[str, Any]:
        layer = {
            "name": "MBInvertedConvLayer",
            "in_channels": inputs,
            "out_channels": 24,
            "kernel_size": 5,
        }
        layer |= {"stride": stride, "expand_ratio": expansion}
        if ofa:
            layer |= {
                "mid_channels": None if expansion == 1 else inputs * expansion,
                "act_func": "relu6",
            }
            layer |= {"use_se": False}
        return layer

    def block(layer: dict[str, Any], shortcut: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "name": "MobileInvertedResidualBlock",
            "mobile_inverted_conv": layer,
            "shortcut": shortcut,
        }

    blocks = [block(inverted(16, 2, 1), None), block(inverted(24, 1, 3), identity)]
    if not ofa:
        blocks.append(block({"name": "ZeroLayer", "stride": 1}, identity))
    return {
        "name": "ProxylessNASNets",
        "bn": {"momentum": 0.1, "eps": 0.001},
        "first_conv": {**conv, "in_channels": 3, "out_channels": 16, "kernel_size": 3, "stride": 2},
        "feature_mix_layer": {
            **conv,
            "in_channels": 24,
            "out_channels": 96,
            "kernel_size": 1,
            "stride": 1,
        },
        "classifier": {
            "name": "LinearLayer",
            "in_features": 96,
            "out_features": 10,
            "bias": True,
            "use_bn": False,
            "act_func": None,
            "dropout_rate": 0.1,
            "ops_order": "weight_bn_act",
        },
        "blocks": blocks,
    }


def read(value: object) -> NetConfig:
    return parse_net_config(json.dumps(value))


@pytest.mark.reference_data
@pytest.mark.parametrize(
    "name",
    [
        *(
            f"proxylessnas/proxyless_{target}.config"
            for target in ("cpu", "gpu", "mobile", "mobile_14")
        ),
        "ofa/cpu_lat-10ms_top1-71.1_finetune-25.net.config",
        "ofa/flops-389M_top1-79.1_finetune-75.net.config",
        "ofa/note10_lat-30ms_top1-78.4_finetune-75.net.config",
        "ofa/pixel1_lat-20ms_top1-71.4_finetune-25.net.config",
        "ofa/v100_gpu64-5ms_top1-71.6_finetune-25.net.config",
    ],
)
def test_published_files_are_read_and_written_key_for_key(reference_data: Path, name: str) -> None:
    text = (reference_data / name).read_text()
    described = parse_net_config(text)
    assert described.ofa == is_ofa(json.loads(text)) == name.startswith("ofa")
    assert json.loads(write_net_config(described)) == json.loads(text)
    assert parse_net_config(write_net_config(described)) == described


@pytest.mark.parametrize("ofa", [False, True])
def test_description(ofa: bool) -> None:
    described = read(config(ofa))
    hidden = 72 if ofa else None
    assert described.blocks[0] == ResidualBlock(
        InvertedLayer(16, 24, 5, 2, 1, None, "relu6", False), None
    )
    assert described.blocks[1] == ResidualBlock(
        InvertedLayer(24, 24, 5, 1, 3, hidden, "relu6", False), 24
    )
    assert described.blocks[2:] == (() if ofa else (ResidualBlock(None, 24),))
    assert (described.features, described.classes, described.dropout) == (96, 10, 0.1)
    assert (described.momentum, described.epsilon) == (0.1, 0.001)
    assert json.loads(write_net_config(described)) == config(ofa)


FAULTS: list[tuple[bool, Callable[[dict[str, Any]], object], str]] = [
    (False, lambda c: c.pop("bn"), "the key 'bn' is missing"),
    (False, lambda c: c["bn"].pop("eps"), "the key 'bn.eps' is missing"),
    (False, lambda c: c["bn"].update(eps="0"), "bn.eps must be a number from 0 to 1, not '0'"),
    (False, lambda c: c["bn"].update(more=1), "unexpected key 'bn.more'"),
    (False, lambda c: c.update(more=1), "unexpected key 'more'"),
    (
        False,
        lambda c: c.update(name="ResNet"),
        "name must be 'ProxylessNASNets' or 'MobileNetV3', not 'ResNet'",
    ),
    (False, lambda c: c.update(name="MobileNetV3"), "the key 'final_expand_layer' is missing"),
    (False, lambda c: c.update(blocks=[]), "blocks must be a list with at least one block"),
    (False, lambda c: c.update(blocks={}), "blocks must be a list"),
    (False, lambda c: c["blocks"].insert(1, 3), r"blocks\[1\] must be an object, not 3"),
    (False, lambda c: c["first_conv"].update(groups=2), "first_conv.groups must be 1, not 2"),
    (False, lambda c: c["first_conv"].update(bias=0), "first_conv.bias must be False, not 0"),
    (
        False,
        lambda c: c["first_conv"].update(act_func="swish"),
        "first_conv.act_func must be 'relu' or",
    ),
    (False, lambda c: c["first_conv"].update(use_bn=1), "first_conv.use_bn must be true or false"),
    (
        False,
        lambda c: c["first_conv"].update(out_channels=20),
        r"blocks\[0\].mobile_inverted_conv.in_channels is 16, b",
    ),
    (
        False,
        lambda c: c["feature_mix_layer"].update(in_channels=20),
        "feature_mix_layer.in_channels is 20, but",
    ),
    (False, lambda c: c["classifier"].update(in_features=95), "classifier.in_features is 95, but"),
    (
        False,
        lambda c: c["classifier"].update(dropout_rate=2),
        "classifier.dropout_rate must be a number from 0 to 1",
    ),
    (
        False,
        lambda c: layer(c, 1).update(kernel_size=4),
        r"blocks\[1\].mobile_inverted_conv.kernel_size must be odd",
    ),
    (
        False,
        lambda c: layer(c, 1).update(kernel_size="5"),
        r"kernel_size must be an integer of at least 1, not '5'",
    ),
    (
        False,
        lambda c: layer(c, 1).update(stride=True),
        r"blocks\[1\].mobile_inverted_conv.stride must be an integer",
    ),
    (
        False,
        lambda c: layer(c, 1).pop("expand_ratio"),
        r"blocks\[1\].mobile_inverted_conv.expand_ratio' is missing",
    ),
    (
        False,
        lambda c: layer(c, 1).update(groups=1),
        r"unexpected key 'blocks\[1\].mobile_inverted_conv.groups'",
    ),
    (
        False,
        lambda c: layer(c, 1).update(name="MBConv"),
        r"blocks\[1\].mobile_inverted_conv.name must be",
    ),
    (False, lambda c: layer(c, 1).update(stride=2), r"blocks\[1\].shortcut must be null"),
    (
        False,
        lambda c: layer(c, 2).update(stride=2),
        r"blocks\[2\].mobile_inverted_conv.stride must be 1, not 2",
    ),
    (
        False,
        lambda c: c["blocks"][2].update(shortcut=None),
        r"blocks\[2\].shortcut must be an IdentityLayer",
    ),
    (
        False,
        lambda c: c["blocks"][2]["shortcut"].update(out_channels=9),
        r"blocks\[2\].shortcut.out_channels must be",
    ),
    (
        False,
        lambda c: c["blocks"][1]["shortcut"].update(in_channels=[24]),
        r"blocks\[1\].shortcut.in_channels must be",
    ),
    (
        True,
        lambda c: c["blocks"][1]["shortcut"].update(in_channels=24),
        r"shortcut.in_channels must be a list of one",
    ),
    (
        True,
        lambda c: layer(c, 1).update(mid_channels=0),
        r"mobile_inverted_conv.mid_channels must be an integer",
    ),
    (
        True,
        lambda c: layer(c, 1).update(use_se="no"),
        r"blocks\[1\].mobile_inverted_conv.use_se must be true or false",
    ),
    (
        True,
        lambda c: layer(c, 1).pop("use_se"),
        r"'blocks\[1\].mobile_inverted_conv.use_se' is missing",
    ),
    (
        True,
        lambda c: layer(c, 1).update(act_func=None),
        r"blocks\[1\].mobile_inverted_conv.act_func must be",
    ),
]


def layer(value: dict[str, Any], index: int) -> dict[str, Any]:
    found: dict[str, Any] = value["blocks"][index]["mobile_inverted_conv"]
    return found


@pytest.mark.parametrize(("ofa", "spoil", "named"), FAULTS)
def test_wrong_files_are_named(
    ofa: bool, spoil: Callable[[dict[str, Any]], object], named: str
) -> None:
    value = config(ofa)
    # A copy in which no object is shared, so that one place alone is spoiled.
    value = json.loads(json.dumps(value))
    spoil(value)
    with pytest.raises(InvalidFile, match=named):
        read(value)


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"name": "ProxylessNASNets", "name": "MobileNetV3"}']
)
def test_what_is_no_net_config_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile):
        parse_net_config(text)
