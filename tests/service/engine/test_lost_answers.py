"""PostgreSQL whose answers are lost, or whose rows are locked: no job and no file is lost."""

import time
from typing import Any

import pytest
from sqlalchemy import select

from service.engine.reports import Progressed
from service.engine.worker import Needs
from service.jobs import JobState
from service.operation.leftovers import find_leftovers
from service.store import Store, Timeouts
from service.store.schema import JobRow


@pytest.fixture
def bench(make_bench: Any, proxy: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An engine on PostgreSQL behind the proxy."""
    monkeypatch.setattr("service.engine.engine._STORE_RETRY_DELAY", 0.01)
    monkeypatch.setattr("service.engine.engine.HEARTBEAT", 0.2)
    return make_bench(url=proxy.url)


def cut_first_commit(monkeypatch: pytest.MonkeyPatch, writer: Any, name: str, proxy: Any) -> None:
    """Cut the connection between the commit of a method's first call and its answer."""
    write = getattr(writer, name)
    calls: list[int] = []

    def call(*arguments: Any, **options: Any) -> Any:
        if not calls:
            proxy.cut_next_commit()
        calls.append(1)
        return write(*arguments, **options)

    monkeypatch.setattr(writer, name, call)


def test_result_whose_commit_was_not_answered_keeps_its_file(
    bench: Any, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.start().submit()
    process = bench.process_of(job)
    artifact = bench.artifacts.write(job.id, 1, "result.json", b"{}")
    cut_first_commit(monkeypatch, bench.store.jobs, "finish", proxy)
    process.done(artifact)
    assert bench.within(10, lambda: process.worker.assignment is None)

    done = bench.store.jobs.get(job.id)
    assert proxy.cuts == 1
    assert (done.state, done.attempt, done.artifact) == (JobState.DONE, 1, artifact)
    events = bench.store.events.list(job.id)
    states = [event.data["state"] for event in events if event.kind == "state"]
    assert states == ["queued", "running", "done"], "it was written once"
    assert find_leftovers(bench.store, bench.artifacts) == []
    assert bench.artifacts.read(artifact) == b"{}"


def test_claim_whose_commit_was_not_answered_is_made_again(
    bench: Any, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_first_commit(monkeypatch, bench.store.leases, "claim", proxy)
    job = bench.start().submit()
    # The first attempt was never begun, and nobody would have reported on it.
    process = bench.process_of(job, attempt=2)
    assert proxy.cuts == 1
    process.done()
    assert bench.within(10, lambda: bench.state(job) == ("done", 2))
    assert bench.store.jobs.get(job.id).worker_crashes == 0


def test_locked_job_holds_up_neither_heartbeat_nor_others(
    make_bench: Any, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.engine._STORE_RETRY_DELAY", 0.01)
    monkeypatch.setattr("service.engine.engine.HEARTBEAT", 0.1)
    bench = make_bench(Needs(2, 0), warm=2, url=shared_url, timeouts=Timeouts(lock=0.2))
    bench.start()
    locked, free = bench.submit(), bench.submit()
    processes = [bench.process_of(job) for job in (locked, free)]

    other = Store(shared_url)
    with other.database.writing() as session:
        session.execute(select(JobRow).where(JobRow.id == locked.id).with_for_update())

        processes[0].report(Progressed(processes[0].assignment, {"evaluated": 1}))
        processes[1].done()
        # The progress is not waited for.
        assert bench.within(5, lambda: bench.state(free) == ("done", 1))

        processes[0].done()
        ages = []
        for _ in range(20):
            time.sleep(0.1)
            ages.append(other.engines.list()[0].age_s)
        assert max(ages) < 1.5
        assert bench.state(locked) == ("running", 1)

    assert bench.within(5, lambda: bench.state(locked) == ("done", 1))
    other.close()
