"""Elastic spaces keep the contract of all spaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spaces.registry import SPACES
from spaces.space import SearchSpace
from spaces.testing import SpaceContract
from tests.spaces.elastic.example_networks import space_of


class ElasticContract(SpaceContract):
    """The contract, without what no network of a user's own class has."""

    samples = 100
    builds = 2
    network_name: str

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        with SPACES.preserved():
            SPACES.add(self.space().name, lambda name, /: self.space())
            yield

    def space(self) -> SearchSpace:
        return space_of(self.network_name)

    def test_network_executes_its_blocks(self) -> None:
        pytest.skip("networks are of the user's class and have no list of blocks")

    def test_weights_come_from_the_generator(self) -> None:
        pytest.skip("weights are those of the trained network")


class TestResNet(ElasticContract):
    network_name = "resnet"


class TestMobileNet(ElasticContract):
    network_name = "mobilenet"


class TestTransformer(ElasticContract):
    network_name = "vit"
