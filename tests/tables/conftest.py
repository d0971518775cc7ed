"""A device that was never measured: block times that are known, networks with known noise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import spaces
from spaces import Block, ChainSpace
from spaces.architecture import Architecture
from spaces.choice import Choice
from spaces.space import SearchSpace
from tables import LookupTable
from tables.cost.sums import block_sums
from tables.lookup_table import BlockCost, Measurement, NetworkSample

MakeTable = Callable[..., LookupTable]


@pytest.fixture(scope="session")
def tiny() -> ChainSpace:
    """The small space."""
    space = spaces.get("spos-tiny")
    assert isinstance(space, ChainSpace)
    return space


def made_up(
    space: SearchSpace, /, networks: int = 80, noise_ms: float = 0.004, **fields: Any
) -> LookupTable:
    """A table whose networks cost the sum of their blocks, 0.05 ms more, and noise."""
    rng = np.random.default_rng(0)
    blocks = {
        key: BlockCost(0.01 + block.macs / 2e6, 0.001, 10, block.macs, block.params)
        for key, block in space.all_blocks.items()
    }
    codes = space.sample(rng, networks)
    times = block_sums(space, lambda block: blocks[block.key].latency_ms)(codes) + 0.05
    times = times + rng.normal(0, noise_ms, networks)
    samples = [
        NetworkSample(tuple(row), 0, (ms,), 1.0)
        for row, ms in zip(codes.tolist(), times.tolist(), strict=True)
    ]
    given: dict[str, Any] = {
        "name": "made-up",
        "space": space.name,
        "device": {"kind": "cpu", "processor": "made up", "cores": 2},
        "conditions": {"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        "versions": {"torch": "2"},
        "created": "2026-01-01T00:00:00+00:00",
        "command": "tests",
        "seed": 3,
        "measurement": Measurement(1, 1.5, 2.0, "budget", 0.01, ((0,) * len(space.choices),), 1.0),
        "blocks": blocks,
        "networks": tuple(samples),
    }
    return LookupTable(**{**given, **fields})


class Coupled(SearchSpace):
    """A space whose costs are no sums over its choices: a convolution's width is its neighbour's
    choice, as in cells.

    Args:
        count: of choices, each a kernel of 1, 3 or 5.
    """

    additive = False
    kernels = (1, 3, 5)

    def __init__(self, count: int):
        choices = [Choice(f"edge_{index}", ("k1", "k3", "k5")) for index in range(count)]
        super().__init__(f"coupled-{count}", choices, (4, 8, 8), 10)

    def _block(self, kernel: int, before: int) -> Block:
        return Block("conv", (4 << before, 8, 8), (4, 8, 8), self.kernels[kernel], None, 1, "relu")

    def blocks(self, architecture: Architecture) -> list[Block]:
        (row,) = self.encode([architecture]).tolist()
        return [self._block(code, before) for code, before in zip(row, [0, *row[:-1]], strict=True)]

    @property
    def all_blocks(self) -> dict[str, Block]:
        blocks = [self._block(code, before) for code in range(3) for before in range(3)]
        return {block.key: block for block in blocks}

    def block_counts(self, codes: Any) -> tuple[list[str], Any]:
        keys = list(self.all_blocks)
        counts = np.zeros((len(codes), 9), dtype=np.int32)
        before = np.zeros(len(codes), dtype=int)
        for column in codes.T.astype(int):
            np.add.at(counts, (np.arange(len(codes)), 3 * column + before), 1)
            before = column
        return keys, counts

    def graph(self, architecture: Architecture) -> Any:
        raise NotImplementedError

    def graphs(self, architectures: Any) -> Any:
        raise NotImplementedError

    def network(
        self, architecture: Architecture, num_classes: int | None = None, generator: Any = None
    ) -> Any:
        raise NotImplementedError

    def supernet(self, num_classes: int | None = None, generator: Any = None) -> Any:
        raise NotImplementedError


@pytest.fixture(scope="session")
def coupled() -> type[Coupled]:
    """Makes spaces that are not additive."""
    return Coupled


@pytest.fixture(scope="session")
def make_table() -> MakeTable:
    """Makes a table of a space; keywords replace its fields."""
    return made_up


@pytest.fixture(scope="session")
def table(tiny: ChainSpace) -> LookupTable:
    """The table of the small space."""
    return made_up(tiny)
