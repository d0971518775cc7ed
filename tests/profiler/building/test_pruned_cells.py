"""Tables of runtimes that remove what has no effect: blocks are those that are executed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from profiler import Settings, build
from spaces.architecture import Architecture
from spaces.space import SearchSpace
from tables import LookupTable

NAMES: dict[str, Any] = {
    "name": "made",
    "device": {"kind": "cpu", "processor": "fake"},
    "conditions": {"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
}


class PruningBackend:
    """A runtime that executes the blocks which are left of a cell, each in a known time.

    Args:
        prunes: Whether it says so.
    """

    name = "fake"
    times_blocks = False

    def __init__(self, prunes: bool):
        self.prunes = prunes

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> "Runner":
        executed = space.pruned()
        keys, (counts,) = executed.block_counts(space.encode([architecture]))
        times = [0.02 + executed.all_blocks[key].macs / 1e8 for key in keys]
        return Runner(0.1 + float(counts @ np.array(times)))

    def versions(self) -> dict[str, str]:
        return {"fake": "1"}


class Runner:
    def __init__(self, latency_ms: float):
        self.latency_ms = latency_ms

    def whole(self) -> float:
        return self.latency_ms

    def blocks(self) -> list[float]:
        return [self.latency_ms]


def errors(table: LookupTable, space: SearchSpace, backend: PruningBackend) -> np.ndarray:
    """Relative errors of estimates of cells that were sampled anew."""
    codes = space.sample(np.random.default_rng(9), 200)
    true = [
        backend.network_runner(space, architecture).whole() for architecture in space.decode(codes)
    ]
    estimates = table.cost_model(space).estimate(codes)
    return np.abs(estimates / np.array(true) - 1)


def test_milliseconds_of_pruned_cells_are_estimated(tmp_path: Path) -> None:
    space = spaces.get("nasbench201(cells=1, channels=4)")
    settings = Settings(budget_s=0.5, fewest_networks=60)

    plain, pruned = (
        build(space, PruningBackend(prunes), settings, **NAMES) for prunes in (False, True)
    )

    assert "graph" not in plain.conditions
    assert pruned.conditions["graph"] == "pruned"
    assert set(plain.blocks) == set(space.all_blocks)
    assert set(pruned.blocks) == set(space.pruned().all_blocks)
    # A sum over choices cannot know which edges are executed.
    assert errors(plain, space, PruningBackend(False)).mean() > 0.05
    assert errors(pruned, space, PruningBackend(True)).mean() < 0.02

    path = tmp_path / "table.json"
    pruned.save(path)
    again = LookupTable.read(path)
    assert again.conditions == pruned.conditions
    least, greatest = again.cost_model(space).bounds()
    assert least.value < greatest.value
    assert again.cost_model(space).exact_bounds


def test_tables_that_were_built_before_are_estimated_as_before() -> None:
    space = spaces.get("nasbench201(cells=1, channels=4)")
    settings = Settings(budget_s=0.2, fewest_networks=40)
    table = build(space, PruningBackend(False), settings, **NAMES)
    model = table.cost_model(space)
    assert model.space is space
    assert model.table.separable


@pytest.mark.parametrize("name", ["spos-tiny", "darts(layers=3)"])
def test_other_spaces_have_nothing_to_prune(name: str) -> None:
    space = spaces.get(name)
    assert space.pruned() is space
