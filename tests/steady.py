"""A backend whose latencies follow from the networks alone, and a table that it measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import profiler
from profiler.backends.base import Conditions
from profiler.instruments.devices import find
from spaces.architecture import Architecture
from spaces.space import SearchSpace
from tables import LookupTable


@dataclass
class SteadyRunner:
    """Runs nothing, in known times."""

    times: list[float]

    def whole(self) -> float:
        """The time of all blocks."""
        return sum(self.times)

    def blocks(self) -> list[float]:
        """The time of each block."""
        return self.times


@dataclass
class SteadyBackend:
    """A backend without noise.

    Args:
        conditions: Conditions; latencies fall with the threads.
        slower: Key of a block -> factor of its time, as if a device had changed since a build.
    """

    conditions: Conditions
    slower: ClassVar[dict[str, float]] = {}
    name: str = "steady"
    times_blocks: bool = True

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> SteadyRunner:
        """Return a runner of an architecture's network."""
        times = [
            (0.05 + block.macs / 1e6) / self.conditions.threads * self.slower.get(block.key, 1.0)
            for block in space.blocks(architecture)
        ]
        return SteadyRunner(times)

    def versions(self) -> Mapping[str, str]:
        """Return one version."""
        return {"steady": "1"}


def steady_table(space: SearchSpace, threads: int = 1, name: str = "steady") -> LookupTable:
    """Build the table of this machine's processor by the steady backend."""
    conditions = Conditions("cpu", threads=threads)
    return profiler.build(
        space,
        SteadyBackend(conditions),
        profiler.Settings(budget_s=60.0, fewest_networks=40, threads=threads),
        name=name,
        device=find("cpu").to_dict(),
        conditions={"backend": "steady", "batch": 1, "precision": "fp32", "threads": threads},
        command="built for a test",
    )


def latency_of(space: SearchSpace, architecture: Architecture, threads: int = 1) -> float:
    """Return the latency of a network in milliseconds."""
    backend = SteadyBackend(Conditions("cpu", threads=threads))
    return float(np.sum(backend.network_runner(space, architecture).times))
