"""Jobs and their store: lawful passages, attempts, order, versions."""

import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.jobs import LAWFUL, IllegalTransition, Job, JobState, StaleAttempt, UnknownJob
from service.store import InvalidStore, Store

MOVES = {
    JobState.RUNNING: lambda store, job: store.claim(),
    JobState.QUEUED: lambda store, job: store.requeue(job.id, job.attempt, died=True),
    JobState.DONE: lambda store, job: store.finish(job.id, job.attempt, {"found": 1}, "a.json"),
    JobState.FAILED: lambda store, job: store.fail(job.id, job.attempt, {"detail": "no"}),
    JobState.CANCELLED: lambda store, job: store.cancel(job.id),
}
WAYS = {
    JobState.QUEUED: [],
    JobState.RUNNING: [JobState.RUNNING],
    JobState.DONE: [JobState.RUNNING, JobState.DONE],
    JobState.FAILED: [JobState.RUNNING, JobState.FAILED],
    JobState.CANCELLED: [JobState.CANCELLED],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "jobs.sqlite")
    yield made
    made.close()


def job_in(store: Store, state: JobState) -> Job:
    job = store.create("search", {"space": "x"}, {"seed": 1})
    for step in WAYS[state]:
        MOVES[step](store, store.get(job.id))
    job = store.get(job.id)
    assert job.state is state
    return job


@pytest.mark.parametrize(("source", "target"), list(itertools.product(JobState, JobState)))
def test_only_lawful_transitions_happen(store: Store, source: JobState, target: JobState) -> None:
    job = job_in(store, source)
    if target in LAWFUL[source]:
        MOVES[target](store, job)
        assert store.get(job.id).state is target
    elif target is JobState.RUNNING:
        assert store.claim() is None
    elif source is target is JobState.CANCELLED:
        assert store.cancel(job.id) == job
    else:
        with pytest.raises(IllegalTransition, match=f"is {source} and cannot become {target}"):
            MOVES[target](store, job)
    if target not in LAWFUL[source]:
        assert store.get(job.id) == job


def test_a_new_job_is_kept_as_it_was_asked_for(store: Store, tmp_path: Path) -> None:
    job = store.create("search", {"space": "x", "none": None}, {"seed": 2**62})
    other = Store(tmp_path / "jobs.sqlite")
    try:
        assert other.get(job.id) == job
    finally:
        other.close()
    assert (job.request, job.task) == ({"space": "x", "none": None}, {"seed": 2**62})
    assert (job.state, job.attempt, job.deaths) == ("queued", 0, 0)
    assert (job.progress, job.result, job.error, job.started, job.finished) == (None,) * 5


def test_the_oldest_is_claimed_first_and_once(store: Store) -> None:
    jobs = [store.create("search", {}, {}) for _ in range(3)]
    claimed = [store.claim() for _ in range(4)]
    assert [job and job.id for job in claimed] == [*(job.id for job in jobs), None]
    assert all(job is None or (job.state, job.attempt) == ("running", 1) for job in claimed)


def test_many_claim_at_once_and_none_gets_anothers(store: Store) -> None:
    jobs = {store.create("search", {}, {}).id for _ in range(40)}
    claimed: list[str] = []

    def claim() -> None:
        while (job := store.claim()) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 40
    assert set(claimed) == jobs


@pytest.mark.parametrize("report", ["report", "finish", "fail", "requeue"])
def test_reports_of_an_attempt_that_is_over_change_nothing(store: Store, report: str) -> None:
    first = job_in(store, JobState.RUNNING)
    store.requeue(first.id, 1, died=True)
    second = store.claim()
    assert second is not None
    assert (second.attempt, second.deaths, second.progress) == (2, 1, None)
    calls = {
        "report": lambda: store.report(first.id, 1, {"evaluated": 1}),
        "finish": lambda: store.finish(first.id, 1, {}, "late.json"),
        "fail": lambda: store.fail(first.id, 1, {}),
        "requeue": lambda: store.requeue(first.id, 1, died=True),
    }
    with pytest.raises(StaleAttempt, match=r"attempt 1 .* is over; it is at attempt 2"):
        calls[report]()
    assert store.get(first.id) == second


def test_progress_is_only_of_running_jobs(store: Store) -> None:
    job = job_in(store, JobState.RUNNING)
    store.report(job.id, 1, {"evaluated": 5})
    assert store.get(job.id).progress == {"evaluated": 5}
    store.cancel(job.id)
    with pytest.raises(IllegalTransition):
        store.report(job.id, 1, {"evaluated": 6})
    assert store.get(job.id).progress == {"evaluated": 5}


def test_a_restart_queues_what_was_running_again(store: Store) -> None:
    states = list(JobState)
    jobs = {state: job_in(store, state) for state in states if state is not JobState.QUEUED}
    queued = job_in(store, JobState.QUEUED)
    assert store.recover() == 1
    assert store.get(jobs[JobState.RUNNING].id).state is JobState.QUEUED
    assert store.get(jobs[JobState.RUNNING].id).deaths == 0
    assert all(store.get(jobs[state].id) == jobs[state] for state in jobs if state is not JobState.RUNNING)
    assert store.get(queued.id) == queued


def test_newest_are_listed_first_without_results(store: Store) -> None:
    jobs = [job_in(store, JobState.DONE) for _ in range(5)]
    page, total = store.newest(2, 1)
    assert ([job.id for job in page], total) == ([jobs[3].id, jobs[2].id], 5)
    assert page[0].result is None
    assert store.get(page[0].id).result == {"found": 1}
    assert store.newest(10, 5) == ([], 5)


@pytest.mark.parametrize("call", ["get", "cancel", "report"])
def test_unknown_jobs_are_named(store: Store, call: str) -> None:
    arguments = {"get": (), "cancel": (), "report": (1, {})}[call]
    with pytest.raises(UnknownJob, match="there is no search 'nowhere'"):
        getattr(store, call)("nowhere", *arguments)


def test_waiting_ends_with_the_job(store: Store) -> None:
    job = job_in(store, JobState.RUNNING)
    threading.Timer(0.1, lambda: store.finish(job.id, 1, {"found": 2}, "a.json")).start()
    assert store.wait(job.id, 20).result == {"found": 2}


def test_waiting_ends_with_the_time_or_the_service(store: Store) -> None:
    job = job_in(store, JobState.QUEUED)
    begin = time.monotonic()
    assert store.wait(job.id, 0.1).state is JobState.QUEUED
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    assert store.wait(job.id, 20, stop).state is JobState.QUEUED
    assert time.monotonic() - begin < 5


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '7'")
    connection.close()
    with pytest.raises(InvalidStore, match=r"jobs.sqlite has schema version 7; this Pathfit reads version 1"):
        Store(path)


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_text("my notes, not to be lost " * 50, encoding="utf-8")
    with pytest.raises(InvalidStore, match=r"cannot use .*jobs.sqlite as a job store: file is not a database"):
        Store(path)
    assert path.read_text(encoding="utf-8").startswith("my notes")
    with pytest.raises(InvalidStore, match="cannot use"):
        Store(path / "below-a-file" / "jobs.sqlite")
