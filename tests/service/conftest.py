"""A small table, a small predictor, and services that use them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import spaces
from service.client import Client
from service.context import Service
from service.settings import Settings
from spaces.chains.chain import ChainSpace
from tables.lookup_table import BlockCost, LookupTable, Measurement, NetworkSample
from tests.service.application import serving_application
from tests.service.postgresql import postgresql, proxy, shared_url
from tests.service.process_table import command_of, processes_of

__all__ = ["postgresql", "proxy", "shared_url"]

ROOT = Path(__file__).resolve().parents[2]
SPACE = "spos-tiny"
NOISE_MS = 0.004


def made_up_table(space: ChainSpace, name: str) -> LookupTable:
    """A table in which a block's time grows with its MACs, with networks measured under known
    noise.
    """
    rng = np.random.default_rng(0)
    blocks = {
        key: BlockCost(0.01 + block.macs / 2e6, 0.001, 10, block.macs, block.params)
        for key, block in space.all_blocks.items()
    }
    codes = space.sample(rng, 64)
    latencies = space.additive_table(lambda block: blocks[block.key].latency_ms)(codes) + 0.05
    latencies = latencies + rng.normal(0, NOISE_MS, len(codes))
    measured = zip(codes.tolist(), latencies.tolist(), strict=True)
    networks = [NetworkSample(tuple(row), 0, (value,), 1.0) for row, value in measured]
    return LookupTable(
        name=name,
        space=space.name,
        device={"kind": "cpu", "processor": "made up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        versions={"torch": "2"},
        created="2026-01-01T00:00:00Z",
        command="tests",
        seed=0,
        measurement=Measurement(1, 1.0, 1.0, "budget", 0.01, ((0,) * len(space.choices),), 1.0),
        blocks=blocks,
        networks=tuple(networks),
    )


@dataclass(frozen=True)
class World:
    """Folders that services are started on."""

    tables: Path
    predictors: Path

    def settings(self, data: Path) -> Settings:
        return Settings(data, (self.tables,), (self.predictors,), port=0)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A device `made-up`, one that lacks a block, one that is no table, and a predictor `small`
    fitted on MACs.
    """
    import torch

    import predictor

    root = tmp_path_factory.mktemp("world")
    space = spaces.get(SPACE)
    assert isinstance(space, ChainSpace)
    table = made_up_table(space, "made-up")
    table.save(root / "tables" / "made-up.json")
    fields = {name: getattr(table, name) for name in table.__dataclass_fields__}
    fewer = {key: cost for key, cost in table.blocks.items() if key != missing_block()}
    LookupTable(**{**fields, "name": "lacking", "blocks": fewer}).save(
        root / "tables" / "lacking.json"
    )
    (root / "tables" / "broken.json").write_text("{", encoding="utf-8")
    guide = predictor.default(space)
    codes = np.unique(space.sample(np.random.default_rng(1), 24), axis=0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small lose by sharing
    guide.fit(space.decode(codes), np.log(space.macs(codes)))
    torch.set_num_threads(threads)
    (root / "predictors").mkdir()
    guide.save(root / "predictors" / "small.safetensors")
    (root / "predictors" / "broken.safetensors").write_bytes(b"not safetensors")
    return World(root / "tables", root / "predictors")


def missing_block() -> str:
    """The key of the block that the table `lacking` lacks."""
    space = spaces.get(SPACE)
    assert isinstance(space, ChainSpace)
    return next(key for key in space.all_blocks if key.startswith("xception"))


class Served:
    """A real service in processes of its own."""

    def __init__(self, world: World, data: Path, *extra: str, plugin: Path | None = None):
        folders = [
            "--data",
            str(data),
            "--tables",
            str(world.tables),
            "--predictors",
            str(world.predictors),
        ]
        command = [
            sys.executable,
            "-m",
            "service",
            *([] if plugin is None else ["--plugin", str(plugin)]),
            "serve",
            "--port",
            "0",
            "--workers",
            "1",
            *folders,
            *extra,
        ]
        self.data, self.log = data, list[str]()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        message = self.process.stdout.readline()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not message.startswith("serving at http://"):
            self.end()
            raise AssertionError(f"did not start: {message}{''.join(self.log)}")
        self.url = message.removeprefix("serving at ").strip()
        self.client = Client(self.url)

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def workers(self) -> list[int]:
        """Ids of the processes that run jobs."""
        return self.named("ray::JobWorker")

    def web(self) -> int:
        """Id of the process that answers requests: the one that gunicorn forked."""
        return max(self.named("service.server"))

    def named(self, part: str) -> list[int]:
        """Ids of its processes with these words in their command line."""
        return [pid for pid in self.processes() if part in command_of(pid)]

    def processes(self) -> list[int]:
        """Ids of all its living processes: the session is its own."""
        return processes_of(self.process.pid)

    def end(self) -> None:
        """Kill whatever is left of it."""
        for pid in self.processes():
            with suppress(ProcessLookupError):  # ended meanwhile
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def start(world: World) -> Iterator[Callable[..., Served]]:
    """Starts services that are ended with the test."""
    started: list[Served] = []

    def begin(data: Path, *extra: str, plugin: Path | None = None) -> Served:
        started.append(Served(world, data, *extra, plugin=plugin))
        return started[-1]

    yield begin
    for served in started:
        served.end()


@pytest.fixture(scope="session")
def served_class() -> type[Served]:
    """For services that the tests of a module share."""
    return Served


@pytest.fixture(scope="session")
def served(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all tests that leave it in order, with its worker warm."""
    service = Served(world, tmp_path_factory.mktemp("served"))
    try:
        service.client.search(space=SPACE, options={"generations": 1}).wait(400)
        yield service
    finally:
        service.end()


@pytest.fixture
def application(world: World, tmp_path: Path) -> Iterator[tuple[str, Service]]:
    """The URL of a real application and its service; there is no engine, so that nobody runs its
    jobs.
    """
    with serving_application(world.settings(tmp_path / "service")) as served:
        yield served
