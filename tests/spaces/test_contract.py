"""Every space keeps the contract that plug-ins are tested by."""

import pytest

import spaces
from spaces.space import SearchSpace
from spaces.testing import SpaceContract


class TestZoo(SpaceContract):
    """The contract of all spaces that come with Pathfit."""

    samples = 100
    builds = 2
    name: str

    @pytest.fixture(autouse=True)
    def _of_preset(self, preset: str) -> None:
        self.name = preset

    def space(self) -> SearchSpace:
        return spaces.get(self.name)


def test_every_space_of_the_zoo_is_there(presets: dict[str, str]) -> None:
    assert set(spaces.available()) <= {name.partition("(")[0] for name in presets.values()}
