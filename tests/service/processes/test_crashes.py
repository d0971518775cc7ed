"""Each process of a real service is killed, or stopped, during its jobs: all end as undisturbed."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from service.client import Client, ServiceProblem, Unreachable
from service.processes.pulse import HANG_LIMIT
from tests.service.postgresql import cleared
from tests.waiting import within

SPACE = "spos-tiny"
JOBS = 12
OPTIONS = {"population": 20, "generations": 15}
PARTS = ["service.server", "ray::JobWorker", "gcs_server", "raylet/raylet", "service.engine"]

STORE_USERS = ["ray::JobWorker", "service.engine"]
"""Processes whose hanging leaves something in the store; the others are tried with SQLite alone."""

RECOVERY = HANG_LIMIT + 120.0
"""Seconds in which a service whose process hangs does all its jobs on a busy machine."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc"),
]


def ask(client: Any) -> list[Any]:
    return [client.search(space=SPACE, options=OPTIONS, seed=seed) for seed in range(JOBS)]


def contents(handles: list[Any]) -> list[dict[str, Any]]:
    """The results without the time they took."""
    results = [handle.wait(400).to_dict(3) for handle in handles]
    return [{key: value for key, value in result.items() if key != "seconds"} for result in results]


def done(client: Any, handles: list[Any]) -> int:
    """How many of the jobs are done; 0 while the service does not answer."""
    ours = {handle.id for handle in handles}
    with suppress(Unreachable, ServiceProblem, TimeoutError):
        listed = client.request("GET", "/search?limit=100")["searches"]
        return sum(search["state"] == "done" and search["id"] in ours for search in listed)
    return 0


def is_alive(url: str) -> bool:
    with suppress(Unreachable, ServiceProblem, TimeoutError):
        answer = Client(url, timeout=5.0).request("GET", "/healthz", retries=0)
        return bool(answer == {"status": "alive"})
    return False


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for a store of either kind."""
    if request.param == "sqlite":
        return []
    url = cleared(request.getfixturevalue("postgresql"))
    artifacts = tmp_path_factory.mktemp("artifacts")
    return ["--database", url, "--artifacts", str(artifacts)]


@pytest.fixture(scope="module")
def service(
    world: Any, served_class: Any, stored: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A service, with its worker warm."""
    started = served_class(world, tmp_path_factory.mktemp("service"), *stored)
    try:
        started.client.search(space=SPACE, options={"generations": 1}).wait(400)
        yield started
    finally:
        started.end()


@pytest.fixture(scope="module")
def undisturbed(service: Any) -> list[dict[str, Any]]:
    return contents(ask(service.client))


@pytest.mark.parametrize("part", PARTS)
def test_jobs_survive_a_killed_process(
    service: Any, undisturbed: list[dict[str, Any]], part: str
) -> None:
    client = service.client
    handles = ask(client)
    assert within(120, lambda: done(client, handles) >= 2)
    victim = max(service.named(part))
    os.kill(victim, signal.SIGKILL)
    assert done(client, handles) < JOBS, "it was in the middle"
    assert contents(handles) == undisturbed
    assert is_alive(service.url)
    assert victim not in service.processes()
    client.wait_until_ready(90)


@pytest.mark.parametrize("part", PARTS)
def test_jobs_survive_a_process_that_hangs(
    service: Any, stored: list[str], undisturbed: list[dict[str, Any]], part: str
) -> None:
    if stored and part not in STORE_USERS:
        pytest.skip("whether it is noticed does not depend on the store")

    client = service.client
    handles = ask(client)
    assert within(120, lambda: done(client, handles) >= 2)
    victim = max(service.named(part))
    os.kill(victim, signal.SIGSTOP)
    started = time.monotonic()

    # It is replaced, not waited for: nobody wakes it.
    assert within(RECOVERY, lambda: victim not in service.processes()), "it was not noticed"
    print(f"{part}: noticed after {time.monotonic() - started:.0f} s")
    assert within(RECOVERY, lambda: done(client, handles) == JOBS)
    assert contents(handles) == undisturbed
    assert is_alive(service.url)
    client.wait_until_ready(90)


def test_jobs_are_done_while_the_supervisor_hangs(
    service: Any, undisturbed: list[dict[str, Any]]
) -> None:
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        assert contents(ask(service.client)) == undisturbed
    finally:
        os.kill(service.process.pid, signal.SIGCONT)
    service.client.wait_until_ready(30)


@pytest.mark.parametrize("whole", [True, False], ids=["service", "supervisor"])
def test_jobs_survive_a_restart_after_a_kill(
    start: Any,
    stored: list[str],
    undisturbed: list[dict[str, Any]],
    tmp_path: Path,
    whole: bool,
) -> None:
    first = start(tmp_path, *stored)
    handles = ask(first.client)
    assert within(180, lambda: done(first.client, handles) >= 2)
    for pid in [first.process.pid, *(first.processes() if whole else [])]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    first.process.wait()
    assert within(10, lambda: first.processes() == []), "the others end by themselves"
    again = start(tmp_path, *stored)
    assert contents([type(handle)(again.client, handle.id) for handle in handles]) == undisturbed
