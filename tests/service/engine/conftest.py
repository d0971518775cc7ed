"""Clusters of two nodes, and an engine whose workers the test controls."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.artifacts import Artifacts
from service.engine.engine import Engine, Fault
from service.engine.reports import (
    Assignment,
    Done,
    Order,
    Ready,
    Report,
)
from service.engine.worker import Needs, Worker
from service.jobs import Job, Resources
from service.store import Store, Timeouts
from tests.waiting import within

ROOT = Path(__file__).resolve().parents[3]

CLUSTER = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
head = {"num_cpus": int(sys.argv[1]), "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@dataclass(frozen=True)
class Nodes:
    """A cluster: its address, and the session that all its processes are in."""

    address: str
    session: int


@contextmanager
def cluster(head_cpus: int) -> Iterator[Nodes]:
    """A running cluster, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(head_cpus)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Nodes(process.stdout.readline().strip(), process.pid)
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


@pytest.fixture
def two_nodes() -> Iterator[Callable[[int], Nodes]]:
    """Starts a cluster whose head has so many cores, and whose other node has one."""
    with ExitStack() as stack:
        yield lambda head_cpus: stack.enter_context(cluster(head_cpus))


class Bench:
    """An engine in a thread, with workers that the test controls."""

    def __init__(
        self,
        folder: Path,
        room: Needs,
        warm: int,
        clock: Callable[[], float] | None = None,
        url: str | None = None,
        scratch: Path | None = None,
        timeouts: Timeouts | None = None,
    ):
        self.store = Store(url or folder / "jobs.sqlite", clock, timeouts)
        self.artifacts = Artifacts(folder / "results")
        self.inbox: Any = queue.SimpleQueue()
        self.processes: list[FakeProcess] = []
        self.dies_at_start = False
        self.fault: str | None = None
        self.raised: list[BaseException] = []
        self.engine = Engine(
            self.store,
            "bench",
            self.inbox,
            self._make,
            lambda: room,
            lambda: self.fault,
            warm,
            scratch=scratch,
        )
        self.thread = threading.Thread(target=self._run)

    def _make(self, needs: Needs) -> Worker:
        return Worker(needs, lambda worker: FakeProcess(self, worker))

    def _run(self) -> None:
        try:
            self.engine.run()
        except Fault as fault:
            self.raised.append(fault)

    def start(self) -> "Bench":
        self.thread.start()
        return self

    def submit(self, **resources: float) -> Job:
        return self.store.jobs.create("search", {}, {"n": 1}, resources=Resources(**resources))[0]

    def state(self, job: Job) -> tuple[str, int]:
        now = self.store.jobs.get(job.id)
        return now.state.value, now.attempt

    def process_of(self, job: Job, attempt: int = 1) -> "FakeProcess":
        """The worker that runs an attempt."""

        def ordered() -> list[FakeProcess]:
            return [process for process in self.processes if (job.id, attempt) in process.orders]

        assert self.within(5, lambda: bool(ordered())), f"no worker runs attempt {attempt}"
        return ordered()[0]

    @staticmethod
    def within(seconds: float, true: Callable[[], bool]) -> bool:
        """Wait until something is true, and return whether it became so in time."""
        return within(seconds, true, pause=0.01)

    def end(self) -> None:
        self.engine.stop()
        if self.thread.ident is not None:
            self.thread.join()
        self.store.close()


class FakeProcess:
    """The process of a worker."""

    def __init__(self, bench: Bench, worker: Worker):
        self.bench = bench
        self.worker = worker
        self.orders: list[tuple[str, int]] = []
        self.cancelled: list[tuple[str, int]] = []
        self.killed = False
        bench.processes.append(self)
        if bench.dies_at_start:
            self.die("died while starting")
        else:
            self.report(Ready(len(bench.processes)))

    def run(self, order: Order) -> None:
        self.orders.append((order.assignment.job_id, order.assignment.attempt))

    def cancel(self, assignment: Assignment) -> None:
        self.cancelled.append((assignment.job_id, assignment.attempt))

    def kill(self) -> None:
        if not self.killed:
            self.killed = True
            self.die("was killed")

    def die(self, ending: str) -> None:
        self.worker.ending = ending
        self.bench.inbox.put((self.worker, None))

    def report(self, report: Report) -> None:
        self.bench.inbox.put((self.worker, report))

    @property
    def assignment(self) -> Assignment:
        """The attempt of the last order."""
        return Assignment(*self.orders[-1])

    def done(self, artifact: str | None = None) -> None:
        self.report(Done(self.assignment, {"best": []}, artifact))


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes engines with controlled workers, which end with the test."""
    benches: list[Bench] = []

    def begin(
        room: Needs | None = None,
        warm: int = 1,
        clock: Callable[[], float] | None = None,
        url: str | None = None,
        scratch: Path | None = None,
        timeouts: Timeouts | None = None,
    ) -> Bench:
        benches.append(Bench(tmp_path, room or Needs(1, 0), warm, clock, url, scratch, timeouts))
        return benches[-1]

    yield begin
    for bench in benches:
        bench.end()
