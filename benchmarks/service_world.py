"""A service of its own for the benchmarks, with a generated table and a small predictor."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.client import Client
from spaces.chains.chain import ChainSpace
from spaces.registry import get
from tables.lookup_table import BlockCost, LookupTable, Measurement

SPACE = "spos"
DEVICE = "made-up"
GUIDE = "small"


@dataclass(frozen=True)
class Served:
    """A running service.

    Args:
        client: Client of the service.
        pid: Id of the service's first process.
    """

    client: Client
    pid: int


@contextmanager
def served(folder: Path, *options: str, world: Path | None = None) -> Iterator[Served]:
    """Start a service with one worker, and yield it once the worker is ready.

    Args:
        folder: Folder of its data.
        options: Further options of `service serve`.
        world: Folder of its table and its predictor, which are made if missing. None: `folder`.
    """
    world = world or folder
    if not (world / "predictors").is_dir():
        make_world(world)
    locations = ["--tables", str(world / "tables"), "--predictors", str(world / "predictors")]
    command = ["serve", "--port", "0", "--workers", "1", "--data", str(folder / "data")]
    process = subprocess.Popen(
        [sys.executable, "-m", "service", *command, *locations, *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        client = Client(process.stdout.readline().removeprefix("serving at ").strip(), timeout=60)
        client.wait_until_ready(180)
        yield Served(client, process.pid)
    finally:
        process.terminate()
        process.wait()


def make_world(folder: Path) -> None:
    """Write a generated table and a small predictor."""
    import predictor

    make_table(DEVICE).save(folder / "tables" / f"{DEVICE}.json")
    space = get(SPACE)
    assert isinstance(space, ChainSpace)
    guide = predictor.default(space)
    codes = np.unique(space.sample(np.random.default_rng(1), 48), axis=0)
    guide.fit(space.decode(codes), np.log(space.macs(codes)))
    guide.save(folder / "predictors" / f"{GUIDE}.safetensors")


def make_table(name: str, command: str = "benchmarks/service_world.py") -> LookupTable:
    """Generate the lookup table of a device on which each block takes as long as its MACs."""
    space = get(SPACE)
    assert isinstance(space, ChainSpace)
    blocks = {
        key: BlockCost(0.01 + block.macs / 1e8, 0.001, 10, block.macs, block.params)
        for key, block in space.all_blocks.items()
    }

    return LookupTable(
        name=name,
        space=space.name,
        device={"kind": "cpu", "processor": "made up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        versions={"torch": "2"},
        created="2026-01-01T00:00:00Z",
        command=command,
        seed=0,
        measurement=Measurement(1, 1.0, 1.0, "budget", 0.01, ((0,) * len(space.choices),), 1.0),
        blocks=blocks,
        networks=(),
    )
