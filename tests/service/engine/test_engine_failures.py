"""The engine when workers crash, leases end, the store fails or Ray dies."""

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from service.engine.reports import (
    LostProcess,
    Stopped,
)
from service.jobs import JobState, StaleAttempt
from service.operation.leftovers import find_leftovers


def test_a_job_fails_after_its_third_worker_crash(
    make_bench: Any,
) -> None:
    bench = make_bench().start()
    job = bench.submit()
    for attempt in (1, 2, 3):
        bench.process_of(job, attempt).die(f"was hit {attempt} times")
    assert bench.within(10, lambda: bench.state(job) == ("failed", 3))
    error = bench.store.jobs.get(job.id).error
    assert error == {
        "kind": "WorkerDied",
        "detail": "3 workers died on it; the last one was hit 3 times",
    }
    other = bench.submit()
    bench.process_of(other).done()
    assert bench.within(5, lambda: bench.state(other) == ("done", 1))


def test_workers_that_fail_to_start_are_reported_as_a_fault(make_bench: Any) -> None:
    bench = make_bench()
    bench.dies_at_start = True
    bench.start()
    job = bench.submit()

    def fault_detail() -> str | None:
        return next(
            (engine.detail for engine in bench.store.engines.list() if engine.state == "fault"),
            None,
        )

    assert bench.within(10, lambda: fault_detail() is not None)
    assert str(fault_detail()).startswith("workers do not start: ")
    bench.dies_at_start = False
    bench.process_of(job).done()
    assert bench.within(10, lambda: fault_detail() is None)
    assert bench.within(5, lambda: bench.state(job) == ("done", 1)), (
        "workers that did not start took no attempt"
    )


def test_a_lost_lease_ends_the_attempt_and_refuses_its_late_result(
    make_bench: Any,
) -> None:
    bench = make_bench().start()
    job = bench.submit()
    process = bench.process_of(job)
    # As if this engine had been silent for too long, and another one had claimed the job.
    assert bench.store.leases.recover("bench") == 1
    other = bench.store.leases.claim("another")
    assert other is not None
    assert (other.id, other.attempt) == (job.id, 2)
    late = bench.artifacts.write(job.id, 1, "result.json", b"{}")
    process.done(late)
    assert bench.within(5, lambda: process.worker.assignment is None)
    # Until the job has ended, and then for `gc` to remove.
    assert bench.artifacts.exists(late)
    now = bench.store.jobs.get(job.id)
    assert (now.state, now.attempt, now.result, now.engine) == (
        JobState.RUNNING,
        2,
        None,
        "another",
    )
    with pytest.raises(StaleAttempt):
        bench.store.jobs.report(job.id, 1, {"evaluated": 1})


def test_heartbeats_renew_leases_and_report_lost_ones(make_bench: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("service.engine.engine.HEARTBEAT", 0.05)
    now = [1000.0]
    bench = make_bench(clock=lambda: now[0]).start()
    job = bench.submit()
    process = bench.process_of(job)
    for _ in range(10):
        now[0] += 4.0
        assert bench.within(5, lambda: (bench.store.jobs.get(job.id).lease or 0) >= now[0] + 9), (
            "the lease is renewed"
        )
    assert bench.state(job) == ("running", 1)
    assert bench.store.leases.recover("bench") == 1
    claimed = bench.store.leases.claim("another")
    assert claimed is not None
    assert bench.within(5, lambda: process.cancelled == [(job.id, 1)])
    # The other engine is silent: its lease ends, and the job is queued again.
    process.report(Stopped(process.assignment))
    now[0] += 11.0
    bench.process_of(job, 3).done()
    assert bench.within(5, lambda: bench.state(job) == ("done", 3))
    assert bench.store.jobs.get(job.id).worker_crashes == 0


def test_a_failing_store_delays_the_result_without_losing_it(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench().start()
    job = bench.submit()
    process = bench.process_of(job)
    finish, failures = bench.store.jobs.finish, [1]

    def failing(*arguments: Any) -> None:
        if failures:
            failures.pop()
            raise OperationalError("UPDATE jobs", {}, Exception("database or disk is full"))
        finish(*arguments)

    monkeypatch.setattr(bench.store.jobs, "finish", failing)
    process.done()
    assert bench.within(10, lambda: bench.state(job) == ("done", 1))
    assert failures == []


def test_a_dead_ray_ends_the_engine_without_blaming_its_jobs(
    make_bench: Any,
) -> None:
    bench = make_bench().start()
    job = bench.submit()
    process = bench.process_of(job)
    bench.fault = "Ray's raylet has ended"
    process.die("was cut off")
    bench.thread.join(5)
    assert [str(fault) for fault in bench.raised] == ["Ray's raylet has ended"]
    now = bench.store.jobs.get(job.id)
    assert (now.state, now.worker_crashes) == ("queued", 0)
    assert bench.store.events.list(job.id)[-1].data == {
        "state": "queued",
        "attempt": 1,
        "interrupted": "Ray's raylet has ended",
    }


def test_a_job_that_lost_a_process_runs_again_in_the_same_worker(
    make_bench: Any,
) -> None:
    bench = make_bench().start()
    job = bench.submit()
    process = bench.process_of(job)
    checkpoint = bench.artifacts.write(job.id, 1, "kept-last.ckpt", b"half way")
    for attempt in (1, 2, 3):
        assert bench.process_of(job, attempt) is process
        process.report(LostProcess(process.assignment, "was killed by SIGKILL"))
    assert bench.within(5, lambda: bench.state(job) == ("failed", 3))
    error = bench.store.jobs.get(job.id).error
    assert error == {
        "kind": "WorkerDied",
        "detail": "3 workers died on it; the last one was killed by SIGKILL",
    }
    assert bench.artifacts.read(checkpoint) == b"half way", (
        "the checkpoint is kept for later attempts"
    )
    assert not process.killed


def test_lost_answer_of_a_commit_loses_no_artifact(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.engine._STORE_RETRY_DELAY", 0.01)
    bench = make_bench().start()
    job = bench.submit()
    process = bench.process_of(job)
    artifact = bench.artifacts.write(job.id, 1, "result.json", b"{}")
    finish = bench.store.jobs.finish
    answers: list[str] = []

    def commit_without_answer(*arguments: Any) -> None:
        finish(*arguments)
        answers.append("lost")
        raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

    monkeypatch.setattr(bench.store.jobs, "finish", commit_without_answer)
    process.done(artifact)
    assert bench.within(5, lambda: process.worker.assignment is None)
    assert answers == ["lost"]
    done = bench.store.jobs.get(job.id)
    assert (done.state, done.artifact) == (JobState.DONE, artifact)
    assert bench.artifacts.read(artifact) == b"{}"

    assert find_leftovers(bench.store, bench.artifacts) == []


def test_stalled_heartbeats_end_no_attempt(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.engine.HEARTBEAT", 0.05)
    now = [1000.0]
    bench = make_bench(clock=lambda: now[0]).start()
    job = bench.submit()
    process = bench.process_of(job)
    renew = bench.store.leases.renew
    stalls: list[float] = []

    def stalled(*arguments: Any) -> Any:
        lost = renew(*arguments)
        # The store stalls between the renewal and the search for late jobs.
        now[0] += 12
        stalls.append(now[0])
        return lost

    monkeypatch.setattr(bench.store.leases, "renew", stalled)
    assert bench.within(10, lambda: len(stalls) > 5)
    monkeypatch.undo()
    process.done()
    assert bench.within(5, lambda: bench.state(job) == ("done", 1))
    assert bench.store.jobs.get(job.id).worker_crashes == 0


def test_lost_answer_of_a_claim_loses_no_job(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.engine._STORE_RETRY_DELAY", 0.01)
    monkeypatch.setattr("service.engine.engine.HEARTBEAT", 0.05)
    bench = make_bench()
    claim = bench.store.leases.claim
    answers: list[str] = []

    def commit_without_answer(*arguments: Any, **options: Any) -> Any:
        job = claim(*arguments, **options)
        if job is not None and not answers:
            answers.append("lost")
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))
        return job

    monkeypatch.setattr(bench.store.leases, "claim", commit_without_answer)
    bench.start()
    job = bench.submit()
    bench.process_of(job, attempt=2).done()
    assert bench.within(5, lambda: bench.state(job) == ("done", 2))
    assert answers == ["lost"]
