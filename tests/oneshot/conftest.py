"""Guides whose best network is known, a table that was never measured, and a training of
seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

import spaces
from oneshot.data.images import ImageData, ImageSplit
from spaces import ChainSpace, SearchSpace
from tables import LookupTable
from tables.lookup_table import BlockCost, Measurement, NetworkSample

SMALL = (
    "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> ChainSpace:
    """The small space."""
    space = spaces.get("spos-tiny")
    assert isinstance(space, ChainSpace)
    return space


@pytest.fixture(scope="session")
def small() -> ChainSpace:
    """A space of 64 networks that train in a second."""
    space = spaces.get(SMALL)
    assert isinstance(space, ChainSpace)
    return space


@dataclass
class ToyGuide:
    """Every candidate adds a number of its own; remembers what it was asked."""

    space: SearchSpace
    seed: int = 0
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.terms = [rng.normal(0, 1, count) for count in self.space.candidates]

    def value(self, codes: np.ndarray) -> np.ndarray:
        """The true scores."""
        total: np.ndarray = np.sum(
            [term[codes[:, column]] for column, term in enumerate(self.terms)], axis=0
        )
        return total

    def score(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The true scores, and a deviation of 0.1."""
        self.asked += map(tuple, codes.tolist())
        return self.value(codes), np.full(len(codes), 0.1)

    def score_relaxed(self, probabilities: Sequence[torch.Tensor]) -> torch.Tensor:
        """The expected scores."""
        pairs = zip(probabilities, self.terms, strict=True)
        return torch.stack(
            [given @ torch.from_numpy(term).to(given.dtype) for given, term in pairs]
        ).sum(0)

    def to_dict(self) -> dict[str, Any]:
        """A name."""
        return {"kind": "toy", "name": str(self.seed)}


@pytest.fixture
def toy() -> type[ToyGuide]:
    """Makes guides."""
    return ToyGuide


@pytest.fixture(scope="session")
def table(tiny: ChainSpace) -> LookupTable:
    """A table of the small space whose sigma is about 0.01 ms."""
    rng = np.random.default_rng(0)
    blocks = {
        key: BlockCost(0.01 + block.macs / 2e6, 0.001, 10, block.macs, block.params)
        for key, block in tiny.all_blocks.items()
    }
    codes = tiny.sample(rng, 80)
    times = tiny.additive_table(lambda block: blocks[block.key].latency_ms)(codes) + rng.normal(
        0.05, 0.01, 80
    )
    samples = [
        NetworkSample(tuple(row), 0, (ms,), 1.0)
        for row, ms in zip(codes.tolist(), times.tolist(), strict=True)
    ]
    return LookupTable(
        name="made-up",
        space=tiny.name,
        device={"kind": "cpu", "processor": "made up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        versions={},
        created="2026-01-01T00:00:00+00:00",
        command="tests",
        seed=0,
        measurement=Measurement(1, 1.0, 1.0, "budget", 0.01, ((0,) * 6,), 1.0),
        blocks=blocks,
        networks=tuple(samples),
    )


@pytest.fixture(scope="session")
def images() -> ImageData:
    """Images of three classes that differ in their mean."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> ImageSplit:
        labels = torch.arange(count) % 3
        pictures = torch.randn(count, 3, 16, 16, generator=generator) + labels[:, None, None, None]
        return ImageSplit.from_tensors(pictures, labels)

    return ImageData("made-up", split(96), split(48), split(30), num_classes=3, split_seed=0)
