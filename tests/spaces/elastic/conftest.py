"""The example networks, each in turn."""

from __future__ import annotations

import pytest

from tests.spaces.elastic.example_networks import NETWORKS

pytest.importorskip("torch_pruning")


@pytest.fixture(params=NETWORKS)
def network_name(request: pytest.FixtureRequest) -> str:
    """The name of an example network."""
    name: str = request.param
    return name
