"""A device whose block times are known, and a table that this processor was really measured for."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

import spaces
from profiler.building.session import REFERENCES
from spaces import Block, ChainSpace, ChoiceLayer
from spaces.architecture import Architecture
from spaces.modules.network import release_initialiser
from spaces.space import SearchSpace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def tiny() -> ChainSpace:
    """The small space."""
    space = spaces.get("spos-tiny")
    assert isinstance(space, ChainSpace)
    return space


def uneven() -> ChainSpace:
    """A space whose choices have 2, 5, 1 and 3 candidates."""

    def conv(kernel: int) -> tuple[Block, ...]:
        return (Block("conv", (4, 8, 8), (4, 8, 8), kernel, None, 1, "relu"),)

    def classifier(classes: int) -> Block:
        return Block("classifier", (4, 8, 8), (classes,))

    kernels = (1, 3, 5, 7, 9)
    layers = [
        ChoiceLayer(f"layer_{index}", {f"k{kernel}": conv(kernel) for kernel in kernels[:count]})
        for index, count in enumerate((2, 5, 1, 3))
    ]
    stem = Block("conv", (3, 8, 8), (4, 8, 8), 3, None, 1, "relu")
    return ChainSpace(
        "uneven",
        [stem, *layers, classifier(10)],
        (3, 8, 8),
        10,
        classifier,
        lambda: release_initialiser,
    )


@dataclass
class FakeBackend:
    """A device whose blocks take known times; the state it is in changes with the rounds, and it is
    disturbed at times.

    Args:
        networks: sampled networks a round, by which rounds are counted.
        drift: factor of every time in a round.
        noise: relative deviation of a time.
        spikes: share of times that are twenty times too long.
        between_ms: what a whole network takes beyond its blocks.
        runners: made so far.
        renewed: how many there were whenever the backend was to forget them.
    """

    networks: int
    drift: Callable[[int], float] = lambda number: 1.0
    noise: float = 0.0
    spikes: float = 0.0
    between_ms: float = 0.3
    runners: int = 0
    renewed: list[int] = field(default_factory=list)
    name: str = "fake"
    times_blocks: bool = True
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(42))

    @staticmethod
    def truth(block: Block) -> float:
        """A block's time in the device's undisturbed state."""
        return 0.05 + block.macs / 1e6

    @property
    def factor(self) -> float:
        """Of the round that is under way; the first runners warm up, every round has references
        beside its own.
        """
        return self.drift(max(0, (self.runners - 1 - REFERENCES) // (self.networks + REFERENCES)))

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> "FakeRunner":
        """Blocks that take their times."""
        self.runners += 1
        blocks = space.blocks(architecture)
        return FakeRunner(self, [self.truth(block) for block in blocks])

    def renew(self) -> None:
        """Keeps how many runners there were."""
        self.renewed.append(self.runners)

    def versions(self) -> dict[str, str]:
        """One."""
        return {"fake": "1"}


@dataclass
class FakeRunner:
    """Runs nothing."""

    device: FakeBackend
    times: list[float]

    def whole(self) -> float:
        """The blocks' times and what stands between them."""
        return self._disturbed(sum(self.times) + self.device.between_ms)

    def blocks(self) -> list[float]:
        """Each its own."""
        return [self._disturbed(ms) for ms in self.times]

    def _disturbed(self, ms: float) -> float:
        rng = self.device.rng
        spike = 20.0 if rng.random() < self.device.spikes else 1.0
        return float(ms * self.device.factor * (1 + self.device.noise * rng.normal()) * spike)


@pytest.fixture(scope="session")
def fake() -> type[FakeBackend]:
    """Makes devices."""
    return FakeBackend


@pytest.fixture
def uneven_space() -> ChainSpace:
    """A space whose choices have different numbers of candidates."""
    return uneven()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def profiler(
    *arguments: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [python, "-m", "profiler", *arguments]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment}
    return subprocess.run(
        command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="session")
def run_profiler() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m profiler` in a process of its own; keywords are added to the environment."""
    return profiler


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The table of a real build of the small space on this processor, and what the command said."""
    path = tmp_path_factory.mktemp("built") / "mine.json"
    conditions = ("--device", "cpu", "--space", "spos-tiny", "--threads", "1")
    return path, profiler("build", *conditions, "--budget", "2s", "--seed", "5", "-o", str(path))
