"""Dropout of Once-for-All's supernets and networks."""

import pytest
from torch import nn

import spaces
from tests.published import published


def rates(model: nn.Module) -> set[float]:
    return {module.p for module in model.modules() if isinstance(module, nn.Dropout)}


@pytest.mark.parametrize("width", [1.0, 1.2])
def test_supernets_have_the_releases_dropout(width: float) -> None:
    space = spaces.get("ofa-mobilenetv3", width=width, resolutions=(32,))

    assert rates(space.supernet(10)) == {published("ofa.dropout")}


@pytest.mark.parametrize(
    ("name", "row"),
    [("ofa-pixel1-20ms", "ofa.network_dropout"), ("ofa-note10-30ms", "ofa.wide_network_dropout")],
)
def test_networks_have_the_dropout_of_their_net_config(name: str, row: str) -> None:
    architecture = spaces.published(name)
    network = spaces.get(architecture.space).network(architecture)

    assert rates(network) == {published(row)}
