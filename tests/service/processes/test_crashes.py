"""`kill -9` of each process of a real service during twenty jobs: all end with the same results."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPACE = "spos-tiny"
JOBS = 20
OPTIONS = {"population": 20, "generations": 15}
PARTS = ["service.server", "ray::JobWorker", "gcs_server", "raylet/raylet", "service.engine"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc"),
]


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (now := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return now


def ask(client: Any) -> list[Any]:
    return [client.search(space=SPACE, options=OPTIONS, seed=seed) for seed in range(JOBS)]


def contents(handles: list[Any]) -> list[dict[str, Any]]:
    """The results without the time they took."""
    results = [handle.wait(180).to_dict(3) for handle in handles]
    return [{key: value for key, value in result.items() if key != "seconds"} for result in results]


def done(client: Any, handles: list[Any]) -> int:
    ours = {handle.id for handle in handles}
    listed = client.request("GET", "/search?limit=100")["searches"]
    return sum(search["state"] == "done" and search["id"] in ours for search in listed)


def answers(client: Any) -> bool:
    return client.request("GET", "/healthz") == {"status": "alive"}


@pytest.fixture(scope="module")
def undisturbed(served: Any) -> list[dict[str, Any]]:
    return contents(ask(served.client))


@pytest.mark.parametrize("part", PARTS)
def test_twenty_jobs_survive_a_killed_process(
    served: Any, undisturbed: list[dict[str, Any]], part: str
) -> None:
    client = served.client
    handles = ask(client)
    assert within(120, lambda: done(client, handles) >= 3)
    victim = max(served.named(part))
    os.kill(victim, signal.SIGKILL)
    assert done(client, handles) < JOBS, "it was in the middle"
    assert contents(handles) == undisturbed
    assert answers(client)
    assert victim not in served.processes()
    client.wait_until_ready(60)


def test_twenty_jobs_survive_a_killed_service_and_a_restart(
    start: Any, undisturbed: list[dict[str, Any]], tmp_path: Path
) -> None:
    service = start(tmp_path)
    handles = ask(service.client)
    assert within(180, lambda: done(service.client, handles) >= 3)
    for pid in [service.process.pid, *service.processes()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    service.process.wait()
    assert within(5, lambda: service.processes() == [])
    again = start(tmp_path)
    assert contents([type(handle)(again.client, handle.id) for handle in handles]) == undisturbed
