"""Spaces of smaller versions of a network have no tables of blocks, but networks that run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import profiler
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from spaces.elastic import ElasticSpace, from_network
from spaces.errors import InvalidParameter

pytest.importorskip("torch_pruning")


@pytest.fixture
def space() -> ElasticSpace:
    """The space of a small chain."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.Flatten(), nn.Linear(256, 4)
    )
    return from_network(network, torch.zeros(1, 3, 8, 8), "elastic-chain")


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_whole_networks_run(space: ElasticSpace, backend: str) -> None:
    runner = make_backend(backend, Conditions("cpu")).network_runner(space, space.smallest)

    assert runner.whole() > 0


def test_table_of_blocks_is_refused(space: ElasticSpace) -> None:
    with pytest.raises(InvalidParameter, match=r"oneshot compress` measures its whole networks"):
        profiler.build(
            space,
            make_backend("torch", Conditions("cpu")),
            profiler.Settings(budget_s=0.1),
            name="table",
            device={"kind": "cpu"},
            conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        )
