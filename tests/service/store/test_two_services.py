"""Two services on one PostgreSQL database share jobs and answer for each other."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from service.jobs import JobState
from service.store import Store
from tests.waiting import within

SPACE = "spos-tiny"
SEARCHES = 10
OPTIONS = {"population": 20, "generations": 30}
ENDLESS = {"population": 2, "generations": 2000}

pytestmark = pytest.mark.slow


def contents(handles: list[Any]) -> list[dict[str, Any]]:
    """The results without the time they took."""
    results = [handle.wait(400).to_dict(3) for handle in handles]
    return [{key: value for key, value in result.items() if key != "seconds"} for result in results]


def ready(store: Store) -> int:
    return sum(engine.state == "ready" for engine in store.engines.list())


def runner(store: Store, services: list[Any], handle: Any) -> int:
    """Which of the services runs a job."""
    engine = store.jobs.get(handle.id).engine or ""
    return next(index for index, one in enumerate(services) if f"-{one.process.pid}-" in engine)


def test_two_services_share_searches_and_cancellations(
    start: Any, served: Any, shared_url: str, tmp_path: Path
) -> None:
    places = ["--database", shared_url, "--artifacts", str(tmp_path / "results")]
    services = [start(tmp_path / name, *places) for name in ("one", "two")]
    clients = [service.client for service in services]
    store = Store(shared_url)
    assert within(180, lambda: ready(store) == 2)

    # Asked for here, followed there.
    handles = [
        clients[seed % 2].search(space=SPACE, options=OPTIONS, seed=seed)
        for seed in range(SEARCHES)
    ]
    found = contents(
        [type(handle)(clients[1 - seed % 2], handle.id) for seed, handle in enumerate(handles)]
    )
    assert found == contents(
        [served.client.search(space=SPACE, options=OPTIONS, seed=seed) for seed in range(SEARCHES)]
    )
    jobs = [store.jobs.get(handle.id) for handle in handles]
    assert [(job.state, job.attempt, job.worker_crashes) for job in jobs] == [
        (JobState.DONE, 1, 0)
    ] * SEARCHES
    started = [
        sum(event.data.get("state") == "running" for event in store.events.list(job.id))
        for job in jobs
    ]
    assert started == [1] * SEARCHES, "each was begun once"
    assert len({job.engine for job in jobs}) == 2, "both worked"

    # Each runs one; both are cancelled by the service that does not run it, and both workers are
    # free again.
    endless = [clients[0].search(space=SPACE, options=ENDLESS) for _ in services]
    assert within(60, lambda: all(handle.status().progress for handle in endless))
    assert {runner(store, services, handle) for handle in endless} == {0, 1}
    for handle in endless:
        other = clients[1 - runner(store, services, handle)]
        assert type(handle)(other, handle.id).cancel().state == "cancelled"
    last = [
        clients[0].search(space=SPACE, strategy="random", options={"evaluations": 5})
        for _ in services
    ]
    assert [len(handle.wait(400)) for handle in last] == [5, 5]

    # One dies with all that belongs to it: the other does what it left, once its lease is over.
    remaining = clients[1].search(space=SPACE, options=ENDLESS)
    assert within(60, lambda: bool(remaining.status().progress))
    dead = runner(store, services, remaining)
    for pid in services[dead].processes():
        os.kill(pid, signal.SIGKILL)
    goes_on = type(remaining)(clients[1 - dead], remaining.id)
    assert within(40, lambda: goes_on.status().attempt == 2 and bool(goes_on.status().progress))
    assert runner(store, services, remaining) == 1 - dead
    goes_on.cancel()
    store.close()
