"""A network with a supernet's weights computes what the supernet's path computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import spaces
from oneshot.errors import InvalidRun
from oneshot.retraining.supernet_weights import inherit, inherit_first_layers
from spaces.modules.choices import LayerChoice

SPACES = [
    (
        "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(2, 1, 1),"
        " stem_channels=4)"
    ),
    "proxylessnas-tiny",
    "nasbench-macro(input_size=16, repeats=(1, 2, 1))",
    "ofa-mobilenetv3(resolutions=(32,))",
    "ofa-mobilenetv3(resolutions=(32, 48))",
    "nasbench201(cells=1, channels=8, input_size=16)",
    "nasbench101(modules=2, stacks=2, stem_channels=10, input_size=16)",
    "darts-tiny(channels=4, layers=3)",
    "darts-tiny(auxiliary=True, channels=4, layers=3)",
]


@pytest.mark.parametrize("name", SPACES)
def test_network_computes_what_the_path_does(name: str) -> None:
    space = spaces.get(name)
    supernet = space.supernet(generator=torch.Generator().manual_seed(1))
    x = torch.randn(4, *space.input_shape, generator=torch.Generator().manual_seed(2))
    for seed in range(3):
        architecture = space.sample(np.random.default_rng(seed))
        supernet.activate(architecture)
        with torch.no_grad():
            supernet.train()(x)  # statistics that are not the first ones
            expected = supernet.eval()(x)
        network = space.network(architecture, generator=torch.Generator().manual_seed(9))
        inherit(network, supernet, architecture)
        size = space.input_shape_of(architecture)[1:]
        if size != x.shape[2:]:  # the supernet resizes its input
            x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        with torch.no_grad():
            assert torch.equal(network.eval()(x), expected)
        assert expected.std() > 0


def test_users_own_models_inherit_too() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.choice = LayerChoice({"a": nn.Conv2d(8, 8, 1), "b": nn.Conv2d(8, 8, 3, padding=1)})
            self.last = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> Any:
            return self.last(self.choice(self.first(x)).mean((2, 3)))

    space = spaces.from_model(Model(), torch.zeros(1, 3, 8, 8))
    supernet = space.supernet(generator=torch.Generator().manual_seed(3))
    architecture = space.architecture([1])
    network = space.network(architecture)
    x = torch.randn(2, 3, 8, 8)
    supernet.activate(architecture)
    with torch.no_grad():
        assert not torch.equal(network.eval()(x), supernet.eval()(x))
        inherit(network, supernet, architecture)
        assert torch.equal(network(x), supernet(x))


def test_other_networks_are_refused() -> None:
    space = spaces.get(SPACES[0])
    supernet, architecture = space.supernet(), space.architecture([0, 1, 2, 3])
    with pytest.raises(InvalidRun, match="other layers than the network"):
        inherit(space.network(space.architecture([3, 1, 2, 3])), supernet, architecture)
    with pytest.raises(InvalidRun, match=r"weights of the shape \[10, 16\], the network \[7, 16\]"):
        inherit(space.network(architecture, num_classes=7), supernet, architecture)


def test_detector_begins_with_the_backbone_of_a_classifier() -> None:
    classifiers, detectors = (
        spaces.get(f"spos-tiny(input_size={size}{head})")
        for size, head in ((32, ""), (64, ", head=ssdlite"))
    )
    shared = [1] * len(classifiers.choices)
    generator = torch.Generator().manual_seed(1)
    classifier = classifiers.network(classifiers.architecture(shared), 10, generator)
    codes = shared + [0] * (len(detectors.choices) - len(shared))
    detector = detectors.network(detectors.architecture(codes), 3)

    count = inherit_first_layers(detector, classifier, Path("classifier"))

    # The stem and the searched layers; the last convolution and the classifier are no part of it.
    assert count == 1 + len(shared)
    for name, value in classifier.state_dict().items():
        if int(name.split(".")[1]) < count:
            assert torch.equal(value, detector.state_dict()[name])
    with pytest.raises(InvalidRun, match="first layers"):
        inherit_first_layers(detector, nn.Sequential(nn.Linear(2, 2)), Path("other"))
