"""Every space of the zoo, small enough to build and run."""

import pytest

PRESETS = {
    "spos": "spos(input_size=32, repeats=(1, 2, 2, 1))",
    "spos-tiny": "spos-tiny",
    "spos-channels": (
        "spos-channels(input_size=32, repeats=(1, 2), channels=(32, 64), channel_scales=(0.2, 1,"
        " 2.0), num_classes=10)"
    ),
    "proxylessnas": (
        "proxylessnas(input_size=32, channels=(16, 24, 40), repeats=(2, 2, 1), strides=(1, 2, 2))"
    ),
    "proxylessnas-tiny": "proxylessnas-tiny",
    "nasbench-macro": "nasbench-macro",
    "binary-cells": "binary-cells(cells=2, channels=8, input_size=16, stages=2)",
    "binary-resnet": "binary-resnet(channels=(8, 16), input_size=16, repeats=(1, 2))",
    "fbnet": (
        "fbnet(input_size=32, channels=(8, 16), repeats=(1, 3), strides=(1, 2), head_channels=64,"
        " num_classes=10)"
    ),
    "ofa-mobilenetv3": (
        "ofa-mobilenetv3(resolutions=(32,), width=0.5, kernels=(3, 5), expansions=(3, 4))"
    ),
    "ofa-proxyless": (
        "ofa-proxyless(resolutions=(32,), width=0.5, kernels=(3,), expansions=(3, 6),"
        " num_classes=10)"
    ),
    "spos-ssdlite": "spos-tiny(input_size=48, head=ssdlite(channels=(16, 8)), num_classes=3)",
    "ofa-ssdlite": (
        "ofa-mobilenetv3(input_size=64, width=0.35, kernels=(3, 5), expansions=(3,), depths=(1, 2),"
        " head=ssdlite(channels=(16, 16), kernels=(3,)), num_classes=3)"
    ),
    "proxylessnas-fpn": "proxylessnas-tiny(head=fpn(width=16, kernels=(3, 5)), num_classes=3)",
    "spos-bifpn": (
        "spos-tiny(input_size=48, head=bifpn(width=8, kernels=(3, 5), repeats=2), num_classes=3)"
    ),
    "ofa-mask": (
        "ofa-mobilenetv3(input_size=64, width=0.35, kernels=(3,), expansions=(3,), depths=(1, 2),"
        " head=mask(widths=(8, 16)), num_classes=3)"
    ),
    "nasbench201": "nasbench201(channels=4, cells=1)",
    "nasbench201-search": "nasbench201-search(channels=4, cells=1, edge_weights=True)",
    "nasbench101": "nasbench101(stem_channels=8, stacks=2, modules=1)",
    "nasbench1shot1": "nasbench1shot1(stem_channels=8, stacks=2, modules=1)",
    "nasbench1shot1-2": "nasbench1shot1(stem_channels=9, stacks=2, modules=1, subspace=2)",
    "nasbench1shot1-3": "nasbench1shot1(stem_channels=8, stacks=1, modules=2, subspace=3)",
    "nds-resnet": "nds-resnet(input_size=16, depths=(1, 2, 3), widths=(8, 16, 24))",
    "nds-resnext": (
        "nds-resnext(input_size=16, depths=(1, 2), widths=(16, 24), ratios=(0.5, 1.0),"
        " groups=(1, 2))"
    ),
    "darts-tiny": "darts-tiny",
    "darts": "darts(channels=4, layers=3)",
    "darts-dense": (
        "darts(channels=4, layers=3, primitives=('sep_conv_3x3', 'none', 'skip_connect'), steps=3,"
        " inputs=4, reductions=(1,))"
    ),
    "enas": "enas(channels=4, layers=3)",
    "ensemble": "ensemble(members=3)",
    "ensemble-cells": "ensemble(space='nasbench201(channels=4, cells=1)')",
    "darts-search": "darts-search(channels=4, layers=3)",
    "darts-imagenet": "darts-imagenet(input_size=64, channels=8, layers=3, num_classes=10)",
    "dense-cells": "dense-cells(channels=4, layers=4, stem_multiplier=1, input_size=16)",
    "dense-stages": (
        "dense-cells(channels=4, layers=5, stem_multiplier=1, input_size=16, topologies='stages')"
    ),
    "decoder-tiny": "decoder-tiny",
    "decoder": "decoder(contexts=(12, 24), depths=(2, 3), widths=(32, 48), head_size=8)",
    "rnn": "rnn(vocabulary=11, length=5, width=6, nodes=4)",
    "rnn-search": "rnn-search(vocabulary=11, length=5, width=6, nodes=4)",
    "rnn-ends": "rnn(vocabulary=11, length=5, width=6, nodes=5, output='ends')",
    "resolutions": (
        "ofa-mobilenetv3(resolutions=(64, 48), depths=(1, 2, 3), expansions=(3,), kernels=(3, 5),"
        " num_classes=10)"
    ),
}
"""A word -> the space."""


@pytest.fixture(params=PRESETS)
def preset(request: pytest.FixtureRequest) -> str:
    """The name of a small space, each in turn."""
    return PRESETS[request.param]


@pytest.fixture
def presets() -> dict[str, str]:
    """All of them."""
    return PRESETS
