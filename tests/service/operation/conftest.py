"""A service's data folder with jobs of every kind, and its commands."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.artifacts import Artifacts
from service.commands import main
from service.store import IdempotencyKey, Store

Run = Callable[..., Result]
DAY = 86400.0


class Clock:
    """Time that passes when told to, and begins now."""

    def __init__(self) -> None:
        import time

        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "service"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(data: Path, clock: Clock) -> Iterator[Store]:
    created = Store(data / "jobs.sqlite", clock)
    yield created
    created.close()


@pytest.fixture
def artifacts(data: Path) -> Artifacts:
    return Artifacts(data / "results")


@pytest.fixture
def jobs(store: Store, artifacts: Artifacts, clock: Clock) -> dict[str, str]:
    """Name -> id of jobs that ended 40 and 10 days ago, and of some that did not."""
    today = clock.now
    found: dict[str, str] = {}

    def add(name: str, days: float) -> None:
        clock.now = today - days * DAY
        key = IdempotencyKey(name, "POST", "/search", "0" * 64)
        found[name] = store.jobs.create("search", {"space": name}, {}, idempotency=key)[0].id

    def done(name: str) -> None:
        job = store.leases.claim("e")
        assert job is not None
        assert job.id == found[name]
        path = artifacts.write(job.id, 1, "result.json", name.encode() * 1000)
        store.jobs.finish(job.id, 1, {"name": name}, path)

    add("old", 40)
    done("old")
    add("old cancelled", 40)
    store.jobs.cancel(found["old cancelled"])
    add("recent", 10)
    done("recent")
    add("waiting since long", 50)
    add("running since long", 45)
    clock.now = today
    return found


@pytest.fixture
def run(data: Path) -> Run:
    """Runs a command of the service on the data folder."""

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--data", str(data)])

    return invoke
