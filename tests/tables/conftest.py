"""A device that was never measured: block times that are known, networks with known noise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import spaces
from spaces import ChainSpace
from tables import LookupTable
from tables.lookup_table import BlockCost, Measurement, NetworkSample

MakeTable = Callable[..., LookupTable]


@pytest.fixture(scope="session")
def tiny() -> ChainSpace:
    """The small space."""
    space = spaces.get("spos-tiny")
    assert isinstance(space, ChainSpace)
    return space


def made_up(space: ChainSpace, /, networks: int = 80, noise_ms: float = 0.004, **fields: Any) -> LookupTable:
    """A table whose networks cost the sum of their blocks, 0.05 ms more, and noise."""
    rng = np.random.default_rng(0)
    blocks = {
        key: BlockCost(0.01 + block.macs / 2e6, 0.001, 10, block.macs, block.params)
        for key, block in space.all_blocks.items()
    }
    codes = space.sample(rng, networks)
    times = space.additive_table(lambda block: blocks[block.key].latency_ms).sum(codes) + 0.05
    times = times + rng.normal(0, noise_ms, networks)
    samples = [NetworkSample(tuple(row), 0, (ms,), 1.0) for row, ms in zip(codes.tolist(), times.tolist(), strict=True)]
    given: dict[str, Any] = {
        "name": "made-up",
        "space": space.name,
        "device": {"kind": "cpu", "processor": "made up", "cores": 2},
        "conditions": {"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        "versions": {"torch": "2"},
        "created": "2026-01-01T00:00:00+00:00",
        "command": "tests",
        "seed": 3,
        "measurement": Measurement(1, 1.5, 2.0, "budget", 0.01, (0,) * len(space.choices), 1.0),
        "blocks": blocks,
        "networks": tuple(samples),
    }
    return LookupTable(**{**given, **fields})


@pytest.fixture(scope="session")
def make_table() -> MakeTable:
    """Makes a table of a space; keywords replace its fields."""
    return made_up


@pytest.fixture(scope="session")
def table(tiny: ChainSpace) -> LookupTable:
    """The table of the small space."""
    return made_up(tiny)
