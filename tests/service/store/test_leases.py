"""Leases: whose a job is, for how long, and what becomes of it when its engine falls silent."""

from typing import Any

import pytest

from service.jobs import Job, JobState, StaleAttempt
from service.store import Store


def running(store: Store, engine: str = "one", **parts: Any) -> Job:
    job, _ = store.create("search", {}, {}, **parts)
    claimed = store.claim(engine)
    assert claimed is not None
    assert claimed.id == job.id
    return claimed


def test_a_claimed_job_is_its_engines_for_the_lease(store: Store, clock: Any) -> None:
    store.create("search", {}, {})
    job = store.claim("one", lease_s=7)
    assert job is not None
    assert (job.engine, job.lease, job.started, job.attempt) == ("one", clock.now + 7, clock.now, 1)


@pytest.mark.parametrize("ending", ["finish", "fail", "requeue"])
def test_who_ends_lets_go(store: Store, ending: str) -> None:
    job = running(store)
    {
        "finish": lambda: store.finish(job.id, 1, {}, None),
        "fail": lambda: store.fail(job.id, 1, {}),
        "requeue": lambda: store.requeue(job.id, 1, died=False),
    }[ending]()
    assert store.get(job.id).lease is None


def test_heartbeats_keep_a_job(store: Store, clock: Any) -> None:
    job = running(store)
    for _ in range(5):
        clock.now += 8
        assert store.heartbeat("one", [(job.id, 1)]) == []
        assert store.expire() == 0
    assert store.get(job.id).lease == clock.now + 10
    assert store.heartbeat("one", []) == []


def test_silence_queues_a_job_again(store: Store, clock: Any) -> None:
    job = running(store)
    store.report(job.id, 1, {"evaluated": 5})
    clock.now += 10
    assert store.expire() == 0
    clock.now += 0.1
    assert store.expire() == 1
    left = store.get(job.id)
    assert (left.state, left.attempt, left.deaths, left.progress, left.lease) == (
        "queued",
        1,
        1,
        None,
        None,
    )
    assert store.expire() == 0
    again = store.claim("two")
    assert again is not None
    assert (again.id, again.attempt, again.engine) == (job.id, 2, "two")
    for write in (
        lambda: store.report(job.id, 1, {"evaluated": 6}),
        lambda: store.finish(job.id, 1, {"best": []}, "late.json"),
        lambda: store.fail(job.id, 1, {}),
    ):
        with pytest.raises(StaleAttempt):
            write()
    assert store.heartbeat("one", [(job.id, 1)]) == [(job.id, 1)]
    assert store.get(job.id) == again


def test_the_third_silence_is_a_failure(store: Store, clock: Any) -> None:
    job, _ = store.create("search", {}, {})
    for attempt in (1, 2, 3):
        claimed = store.claim("one")
        assert claimed is not None
        assert (claimed.attempt, claimed.deaths) == (attempt, attempt - 1)
        clock.now += 11
        assert store.expire() == 1
    failed = store.get(job.id)
    assert (failed.state, failed.deaths, failed.finished) == ("failed", 3, clock.now)
    detail = "3 workers died on it; the last one did not report in time"
    assert failed.error == {"kind": "WorkerDied", "detail": detail}
    assert store.events(job.id)[-1].data == {"state": "failed", "attempt": 3, "error": failed.error}


def test_only_the_silent_lose_their_jobs(store: Store, clock: Any) -> None:
    silent, loud = running(store, "one"), running(store, "two")
    clock.now += 6
    store.heartbeat("two", [(loud.id, 1)])
    clock.now += 6
    assert store.expire() == 1
    assert (store.get(silent.id).state, store.get(loud.id).state) == ("queued", "running")


def test_a_heartbeat_tells_what_is_lost(store: Store) -> None:
    kept, cancelled, others = running(store), running(store), running(store, "two")
    store.cancel(cancelled.id)
    held = [(kept.id, 1), (cancelled.id, 1), (others.id, 1), (kept.id, 2), ("nowhere", 1)]
    assert store.heartbeat("one", held) == held[1:]


def test_an_engine_learns_of_cancellations_until_its_lease_is_over(
    store: Store, clock: Any
) -> None:
    job, other, queued = running(store), running(store, "two"), store.create("search", {}, {})[0]
    assert store.cancelled("one") == []
    for each in (job, other, queued):
        store.cancel(each.id)
    assert store.cancelled("one") == store.cancelled("one") == [(job.id, 1)]
    assert store.cancelled("two") == [(other.id, 1)]
    clock.now += 10
    assert store.cancelled("one") == []
    assert store.expire() == 0


def test_the_oldest_that_fits_is_claimed(store: Store) -> None:
    needs = [{"cpus": 4}, {"cpus": 1, "gpus": 1}, {"cpus": 2}, {}]
    jobs = [store.create("search", {}, {}, resources=need)[0].id for need in needs]
    free = [
        {"cpus": 0.5, "gpus": 0},
        {"cpus": 3, "gpus": 0},
        {"cpus": 1, "gpus": 0},
        {"cpus": 1, "gpus": 1},
        None,
    ]
    claimed = [store.claim("one", fits=each) for each in free]
    assert [job and job.id for job in claimed] == [None, jobs[2], jobs[3], jobs[1], jobs[0]]


def test_a_dead_engines_jobs_are_taken_back_at_once(store: Store) -> None:
    dead, alive = running(store, "dead"), running(store, "alive")
    assert store.recover("dead", "was killed by SIGKILL") == 1
    assert store.recover("dead") == 0
    assert (store.get(dead.id).state, store.get(dead.id).deaths) == (JobState.QUEUED, 1)
    assert store.get(alive.id) == alive
    assert store.recover() == 1
    assert (store.get(alive.id).state, store.get(alive.id).deaths) == (JobState.QUEUED, 0)


def test_a_job_that_ends_its_engines_fails_with_the_reason(store: Store) -> None:
    job, _ = store.create("search", {}, {})
    for _ in range(3):
        assert store.claim("one") is not None
        store.recover("one", "was killed by SIGKILL")
    assert store.claim("one") is None
    assert store.get(job.id).error == {
        "kind": "WorkerDied",
        "detail": "3 workers died on it; the last one was killed by SIGKILL",
    }


def test_engines_say_how_they_are(store: Store, clock: Any) -> None:
    assert store.engines() == []
    store.announce("one", "starting", ray={"version": "2.60"})
    clock.now += 3
    store.announce("one", "fault", "the raylet is dead")
    clock.now += 2
    store.announce("two", "ready")
    found = store.engines()
    assert [engine.id for engine in found] == ["two", "one"]
    assert (found[1].state, found[1].detail, found[1].ray, found[1].age_s) == (
        "fault",
        "the raylet is dead",
        {"version": "2.60"},
        2,
    )
    store.heartbeat("one", [])
    assert [(engine.id, engine.age_s) for engine in store.engines()] == [("two", 0), ("one", 0)]
    clock.now += 25 * 3600
    store.announce("three", "stopped")
    assert [engine.id for engine in store.engines()] == ["three"]
    with pytest.raises(ValueError, match="not 'well'"):
        store.announce("three", "well")
