"""Clusters of two nodes, each a process tree of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

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
