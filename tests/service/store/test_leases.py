"""Leases: claiming jobs, heartbeats, and engines that fall silent."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from service.jobs import MAX_INTERRUPTIONS, Job, JobError, JobState, Resources, StaleAttempt
from service.operation.readiness import fault
from service.store import Store
from service.store.engines import RayStatus
from service.store.schema import EngineRow, JobRow
from tests.waiting import PATIENCE


def running(store: Store, engine: str = "one", **parts: Any) -> Job:
    job, _ = store.jobs.create("search", {}, {}, **parts)
    claimed = store.leases.claim(engine)
    assert claimed is not None
    assert claimed.id == job.id
    return claimed


def test_a_claimed_job_belongs_to_its_engine_during_the_lease(store: Store, clock: Any) -> None:
    store.jobs.create("search", {}, {})
    job = store.leases.claim("one", lease_s=7)
    assert job is not None
    assert (job.engine, job.lease, job.started, job.attempt) == ("one", clock.now + 7, clock.now, 1)


@pytest.mark.parametrize("ending", ["finish", "fail", "requeue"])
def test_an_ended_job_has_no_lease(store: Store, ending: str) -> None:
    job = running(store)
    {
        "finish": lambda: store.jobs.finish(job.id, 1, {}, None),
        "fail": lambda: store.jobs.fail(job.id, 1, JobError("Odd", "no")),
        "requeue": lambda: store.jobs.requeue(job.id, 1, crashed=False),
    }[ending]()
    assert store.jobs.get(job.id).lease is None


def test_heartbeats_renew_the_lease_of_a_job(store: Store, clock: Any) -> None:
    job = running(store)
    for _ in range(5):
        clock.now += 8
        assert store.leases.renew("one", [(job.id, 1)]) == []
        assert store.leases.expire() == 0
    assert store.jobs.get(job.id).lease == clock.now + 10
    assert store.leases.renew("one", []) == []


def test_a_job_without_heartbeats_is_queued_again(store: Store, clock: Any) -> None:
    job = running(store)
    store.jobs.report(job.id, 1, {"evaluated": 5})
    clock.now += 10
    assert store.leases.expire() == 0
    clock.now += 0.1
    assert store.leases.expire() == 1
    remaining = store.jobs.get(job.id)
    assert (
        remaining.state,
        remaining.attempt,
        remaining.worker_crashes,
        remaining.progress,
        remaining.lease,
    ) == (
        "queued",
        1,
        0,
        None,
        None,
    )
    assert store.leases.expire() == 0
    again = store.leases.claim("two")
    assert again is not None
    assert (again.id, again.attempt, again.engine) == (job.id, 2, "two")
    for write in (
        lambda: store.jobs.report(job.id, 1, {"evaluated": 6}),
        lambda: store.jobs.finish(job.id, 1, {"best": []}, "late.json"),
        lambda: store.jobs.fail(job.id, 1, JobError("Odd", "no")),
    ):
        with pytest.raises(StaleAttempt):
            write()
    assert store.leases.renew("one", [(job.id, 1)]) == [(job.id, 1)]
    assert store.jobs.get(job.id) == again


def test_a_job_fails_when_its_engines_fall_silent_again_and_again(store: Store, clock: Any) -> None:
    job, _ = store.jobs.create("search", {}, {})
    for attempt in range(1, MAX_INTERRUPTIONS + 1):
        assert store.jobs.get(job.id).attempt == attempt - 1
        assert store.leases.claim("one") is not None
        clock.now += 11
        assert store.leases.expire("two") == 1
    failed = store.jobs.get(job.id)
    assert (failed.state, failed.attempt, failed.worker_crashes, failed.lease) == (
        "failed",
        MAX_INTERRUPTIONS,
        0,
        None,
    )
    assert failed.error == {
        "kind": "Interrupted",
        "detail": "5 attempts at it were interrupted; the last one because its engine has not"
        " reported in time",
    }
    assert store.events.list(job.id)[-1].data["error"] == failed.error


def test_an_engine_does_not_lose_its_own_jobs_to_a_stalled_store(store: Store, clock: Any) -> None:
    job = running(store)
    for _ in range(10):
        # The heartbeat has waited for the store for longer than the lease.
        clock.now += 12
        assert store.leases.expire("one", [(job.id, 1)]) == 0
        assert store.leases.renew("one", [(job.id, 1)]) == []
    assert store.jobs.get(job.id) == dataclasses.replace(job, lease=clock.now + 10)


def test_a_claim_whose_answer_was_lost_is_taken_back(store: Store) -> None:
    held, lost = running(store), running(store)
    other = running(store, "two")
    assert store.leases.expire("one", [(held.id, 1)]) == 1
    assert store.leases.expire("one", [(held.id, 1)]) == 0
    states = [store.jobs.get(job.id).state for job in (held, lost, other)]
    assert states == ["running", "queued", "running"]
    # It was never begun: no interruption counts against it.
    assert store.events.list(lost.id)[-1].data == {"state": "queued", "attempt": 1}
    assert store.leases.expire("one") == 1


def test_a_locked_job_does_not_hold_up_the_heartbeat(shared_url: str) -> None:
    store = Store(shared_url)
    other = Store(shared_url)
    store.engines.announce("one", "ready")
    locked, free = running(store), running(store)
    time.sleep(0.1)
    with other.database.writing() as session:
        session.execute(select(JobRow).where(JobRow.id == locked.id).with_for_update())
        started = time.monotonic()
        held = [(locked.id, 1), (free.id, 1)]
        assert store.leases.renew("one", held) == []
        assert store.leases.expire("one", held) == 0
        assert time.monotonic() - started < 2.5 * PATIENCE
        assert store.jobs.get(locked.id).lease == locked.lease
        assert (store.jobs.get(free.id).lease or 0) > (free.lease or 0)
    assert store.engines.list()[0].age_s < 5
    for opened in (store, other):
        opened.close()


def test_only_engines_without_heartbeats_lose_their_jobs(store: Store, clock: Any) -> None:
    silent, loud = running(store, "one"), running(store, "two")
    clock.now += 6
    store.leases.renew("two", [(loud.id, 1)])
    clock.now += 6
    assert store.leases.expire() == 1
    assert (store.jobs.get(silent.id).state, store.jobs.get(loud.id).state) == ("queued", "running")


def test_a_heartbeat_reports_lost_jobs(store: Store) -> None:
    stored, cancelled, others = running(store), running(store), running(store, "two")
    store.jobs.cancel(cancelled.id)
    held = [(stored.id, 1), (cancelled.id, 1), (others.id, 1), (stored.id, 2), ("nowhere", 1)]
    assert store.leases.renew("one", held) == held[1:]


def test_cancellations_are_reported_to_the_engine_until_its_lease_ends(
    store: Store, clock: Any
) -> None:
    job, other, queued = (
        running(store),
        running(store, "two"),
        store.jobs.create("search", {}, {})[0],
    )
    assert store.leases.cancelled("one") == []
    for each in (job, other, queued):
        store.jobs.cancel(each.id)
    assert store.leases.cancelled("one") == store.leases.cancelled("one") == [(job.id, 1)]
    assert store.leases.cancelled("two") == [(other.id, 1)]
    clock.now += 10
    assert store.leases.cancelled("one") == []
    assert store.leases.expire() == 0


def test_the_oldest_job_that_fits_is_claimed(store: Store) -> None:
    needs = [Resources(4), Resources(1, 1), Resources(2), Resources()]
    jobs = [store.jobs.create("search", {}, {}, resources=need)[0].id for need in needs]
    free = [Resources(0.5), Resources(3), Resources(1), Resources(1, 1), None]
    claimed = [store.leases.claim("one", free=each) for each in free]
    assert [job and job.id for job in claimed] == [None, jobs[2], jobs[3], jobs[1], jobs[0]]


def test_jobs_of_a_dead_engine_are_queued_at_once(store: Store) -> None:
    dead, alive = running(store, "dead"), running(store, "alive")
    assert store.leases.recover("dead", "it was killed by SIGKILL") == 1
    assert store.leases.recover("dead") == 0
    queued = store.jobs.get(dead.id)
    assert (queued.state, queued.worker_crashes) == (JobState.QUEUED, 0)
    assert store.events.list(dead.id)[-1].data == {
        "state": "queued",
        "attempt": 1,
        "interrupted": "it was killed by SIGKILL",
    }
    assert store.jobs.get(alive.id) == alive
    assert store.leases.recover() == 1
    assert store.events.list(alive.id)[-1].data == {"state": "queued", "attempt": 1}


def test_a_job_during_which_engines_die_fails_with_the_reason(store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    for _ in range(MAX_INTERRUPTIONS):
        # Stops in order do not count.
        assert store.leases.claim("one") is not None
        store.leases.recover("one")
        assert store.leases.claim("one") is not None
        store.leases.recover("one", "the engine was killed by SIGKILL")
    assert store.leases.claim("one") is None
    assert store.jobs.get(job.id).error == {
        "kind": "Interrupted",
        "detail": "5 attempts at it were interrupted; the last one because the engine was killed by"
        " SIGKILL",
    }


def test_engines_report_their_state(store: Store, clock: Any) -> None:
    assert store.engines.list() == []
    store.engines.announce("one", "starting", ray=RayStatus("2.60", "here", False))
    clock.now += 3
    store.engines.announce("one", "fault", "the raylet is dead")
    clock.now += 2
    store.engines.announce("two", "ready")
    found = store.engines.list()
    assert [engine.id for engine in found] == ["two", "one"]
    assert (found[1].state, found[1].detail, found[1].ray, found[1].age_s) == (
        "fault",
        "the raylet is dead",
        RayStatus("2.60", "here", False),
        2,
    )
    store.leases.renew("one", [])
    assert [(engine.id, engine.age_s) for engine in store.engines.list()] == [
        ("two", 0),
        ("one", 0),
    ]
    clock.now += 25 * 3600
    store.engines.announce("three", "stopped")
    assert [engine.id for engine in store.engines.list()] == ["three"]
    with pytest.raises(ValueError, match="not 'well'"):
        store.engines.announce("three", "well")


# Clocks that are set


def test_liveness_does_not_depend_on_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    ticks = [5000.0]
    monkeypatch.setattr(time, "monotonic", lambda: ticks[0])
    store = Store(tmp_path / "jobs.sqlite")
    job = running(store)
    store.engines.announce("one", "ready")
    assert fault(store) is None

    # A living engine under a clock that jumps either way.
    for jump in (-3600.0, 7200.0):
        now[0] += jump
        ticks[0] += 8
        assert fault(store) is None
        assert store.leases.expire("two") == 0
        store.leases.renew("one", [(job.id, 1)])

    # A hanging one.
    now[0] -= 3600
    ticks[0] += 11
    assert fault(store) == "the engine has not reported for 11 s"
    assert store.leases.expire("two") == 1
    store.close()


def test_reports_from_the_future_are_no_signs_of_life(store: Store, clock: Any) -> None:
    store.engines.announce("one", "ready")
    with store.database.writing() as session:
        # As after the machine has started again, or the server's clock was set back.
        session.execute(update(EngineRow).values(seen=clock.now + 3578))
    assert str(fault(store)).startswith("the engine has not reported for ")
    store.engines.announce("two", "ready")
    assert fault(store) is None
    assert [engine.id for engine in store.engines.list()] == ["two"]
