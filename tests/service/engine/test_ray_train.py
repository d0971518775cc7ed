"""Retraining in several processes by Ray Train, on a cluster of two nodes with a core each."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import spaces
from service.store import Store
from tests.waiting import within

SPACE = "spos-tiny"
UPDATE = re.compile(r"update (\d+)/301")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc"),
]


def members_of(session: int) -> dict[int, int]:
    """Id of each living process of a group below a session -> id of its node's raylet, which has
    started it.
    """
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::RayTrainWorker" not in (path / "cmdline").read_bytes():
                continue
            state, parent, _, owner = (path / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(owner) == session and state not in "ZX":
            found[int(path.name)] = int(parent)
    return found


def updates(data: Path, handle: Any, attempt: int) -> list[int]:
    """The updates after which an attempt told its progress."""
    store = Store(data / "jobs.sqlite")
    found, current = [], 0
    for event in store.events.list(handle.id, limit=100_000):
        current = event.data.get("attempt", current) if event.kind == "state" else current
        if (
            current == attempt
            and event.kind == "progress"
            and (where := UPDATE.match(event.data["state"]))
        ):
            found.append(int(where[1]))
    store.close()
    return found


def test_two_nodes_train_the_same_network_as_the_command(
    start: Any, two_nodes: Any, tmp_path: Path
) -> None:
    """A process is killed in the middle; the weights are those of `oneshot retrain --devices 2`, to
    the bit.
    """
    data, shared, nodes = tmp_path / "data", tmp_path / "shared", two_nodes(1)
    client = start(data, "--ray-address", nodes.address, "--artifacts", str(shared)).client
    architecture = spaces.get(SPACE).architecture([0] * 6)
    options: dict[str, Any] = {"steps": 301, "batch_size": 16, "limit": 200, "checkpoint_every": 25}
    handle = client.retrain(architecture, workers=2, seed=5, **options)
    assert within(240, (shared / handle.id / "1" / "kept-last.ckpt").exists)
    members = members_of(nodes.session)
    assert len(members) == 2 == len(set(members.values())), "a process on each node"
    os.kill(max(members), signal.SIGKILL)
    assert within(60, lambda: handle.status().attempt == 2 or handle.status().state == "queued")
    assert within(30, lambda: not set(members) & set(members_of(nodes.session)))
    # Before the job ends, when all its progress but the last is removed.
    resumed: list[int] = []

    def has_resumed() -> bool:
        resumed[:] = updates(data, handle, 2)
        return bool(resumed)

    assert within(240, has_resumed)
    assert resumed[0] > 25, "it went on from the checkpoint"
    result = handle.wait(900)
    status = handle.status()
    assert (status.state, status.attempt, status.request["workers"]) == ("done", 2, 2)

    (tmp_path / "network.json").write_text(architecture.to_json(), encoding="utf-8")
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [
        sys.executable,
        "-m",
        "oneshot",
        "retrain",
        "--arch",
        "network.json",
        "--seed",
        "5",
        "--devices",
        "2",
    ]
    run = [*command, *flags, "--threads", "1", "--accelerator", "cpu", "-o", "network"]
    subprocess.run(
        run,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    assert handle.artifact() == (tmp_path / "network" / "weights.safetensors").read_bytes()
    assert result["test"] == json.loads(
        (tmp_path / "network" / "test.json").read_text(encoding="utf-8")
    )

    endless = client.retrain(architecture, workers=2, steps=1_000_000, batch_size=16, limit=200)
    assert within(240, lambda: bool((endless.status().details or {}).get("share")))
    assert len(members_of(nodes.session)) == 2
    endless.cancel()
    # Ray ends them once it has noticed the end of their driver.
    assert within(60, lambda: not members_of(nodes.session)), "all of them end"
