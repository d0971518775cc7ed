"""Every space keeps the contract that plug-ins are tested by."""

import spaces
from spaces.space import SearchSpace
from spaces.testing import SpaceContract


class OfSpace(SpaceContract):
    """The contract of a registered space."""

    name: str

    def space(self) -> SearchSpace:
        return spaces.get(self.name)


class TestSpos(OfSpace):
    name = "spos(input_size=32, repeats=(1, 2, 2, 1))"
    builds = 2


class TestSposTiny(OfSpace):
    name = "spos-tiny"


class TestSposChannels(OfSpace):
    name = "spos-channels(input_size=32, repeats=(1, 2), channels=(32, 64), channel_scales=(0.2, 1, 2.0))"


class TestProxylessnas(OfSpace):
    name = "proxylessnas-tiny"


class TestNasbenchMacro(OfSpace):
    name = "nasbench-macro"


class TestFbnet(OfSpace):
    name = "fbnet(input_size=32, channels=(8, 16), repeats=(1, 3), strides=(1, 2), head_channels=64, num_classes=10)"


class TestOfaMobilenetv3(OfSpace):
    name = "ofa-mobilenetv3(resolutions=(64,), kernels=(3, 5), expansions=(3, 4), num_classes=10)"
    builds = 2


class TestOfaProxyless(OfSpace):
    name = "ofa-proxyless(resolutions=(32,), width=0.5, kernels=(3,), expansions=(3, 6), num_classes=10)"
    builds = 2


class TestResolutions(OfSpace):
    name = (
        "ofa-mobilenetv3(depths=(1, 2, 3), expansions=(3,), kernels=(3, 5), num_classes=10, resolutions=(64, 48, 96))"
    )
    builds = 3


def test_every_space_of_the_zoo_is_here() -> None:
    tested = {contract.name.partition("(")[0] for contract in OfSpace.__subclasses__()}
    same = {"proxylessnas-tiny": "proxylessnas"}  # a preset stands for the builder that it calls
    tested |= {same.get(name, name) for name in tested}
    assert set(spaces.available()) <= tested
