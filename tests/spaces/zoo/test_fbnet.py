"""FBNet's networks against the costs that their authors publish."""

import pytest

import spaces
from tests.published import published


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_macs_are_the_releases_but_for_pointwise_convolutions_without_expansion(name: str) -> None:
    """The paper's block has two pointwise convolutions at the expansion 1 too, the release one."""
    architecture = spaces.published(f"fbnet-{name}")
    space = spaces.get(architecture.space)
    left_out = 0
    for block in space.blocks(architecture):
        if block.operator == "fbnet" and block.expansion == 1:
            channels, height, width = block.input
            left_out += channels**2 * height * width // (block.groups or 1)

    macs = space.macs(architecture)

    assert macs - left_out == pytest.approx(published(f"fbnet.{name}.macs_of_release"), abs=1e5)
    # The published figures count otherwise again: by up to 4% less than the paper's block.
    assert macs == pytest.approx(published(f"fbnet.{name}.macs"), rel=0.04)
