"""The engine with controlled workers: assignment of jobs, room, cancelling, and stopping."""

import time
from pathlib import Path
from typing import Any

import pytest

from service.engine.reports import (
    Failed,
    Progressed,
    Stopped,
)
from service.engine.worker import Needs
from service.jobs import JobError, Resources
from service.operation.scratch import attempt_name
from tests.waiting import PATIENCE


def test_jobs_run_one_after_the_other_and_are_recorded(make_bench: Any) -> None:
    bench = make_bench().start()
    first, second = bench.submit(), bench.submit()
    process = bench.process_of(first)
    process.report(Progressed(process.assignment, {"evaluated": 3}))
    assert bench.within(5, lambda: bench.store.jobs.get(first.id).progress == {"evaluated": 3})
    assert bench.state(second) == ("queued", 0)
    process.done("there")
    assert bench.process_of(second) is process, "the same worker continues"
    process.report(Failed(process.assignment, JobError("Infeasible", "no")))
    assert bench.within(5, lambda: bench.state(second) == ("failed", 1))
    done = bench.store.jobs.get(first.id)
    assert (done.state, done.artifact, done.result) == ("done", "there", {"best": []})
    assert [engine.state for engine in bench.store.engines.list()] == ["ready"]
    assert len(bench.processes) == 1


def test_a_large_job_waits_for_room_and_replaces_idle_workers(
    make_bench: Any,
) -> None:
    bench = make_bench(Needs(2, 1), warm=2).start()
    assert bench.within(5, lambda: len(bench.processes) == 2)
    small, large, gpu = bench.submit(), bench.submit(cpus=2), bench.submit(cpus=0, gpus=1)
    process = bench.process_of(small)
    assert bench.process_of(gpu).worker.needs == Needs(0, 1), "the large job does not delay it"
    time.sleep(0.3)
    assert bench.state(large) == ("queued", 0)
    process.done()
    assert bench.process_of(large).worker.needs == Needs(2, 0)
    assert [process.killed for process in bench.processes[:2]] == [True, True]
    bench.process_of(large).done()
    bench.process_of(gpu).done()
    again = bench.submit()
    bench.process_of(again).done()
    assert bench.within(5, lambda: bench.state(again) == ("done", 1))
    assert bench.store.jobs.get(large.id).worker_crashes == 0


def test_an_oversized_job_fails_without_delaying_others(make_bench: Any) -> None:
    bench = make_bench(Needs(2, 0)).start()
    huge, small = bench.submit(cpus=8, gpus=1), bench.submit()
    bench.process_of(small).done()
    assert bench.within(5, lambda: bench.state(huge) == ("failed", 1))
    error = bench.store.jobs.get(huge.id).error
    assert error == {
        "kind": "NoRoom",
        "detail": "the job needs 8 CPUs and 1 GPUs; the service has 2 and 0",
    }


def test_cancelling_requests_first_and_kills_unresponsive_workers(
    make_bench: Any,
) -> None:
    bench = make_bench().start()
    cooperative, unresponsive = bench.submit(), bench.submit()
    process = bench.process_of(cooperative)
    begin = time.monotonic()
    bench.store.jobs.cancel(cooperative.id)
    assert bench.within(0.5, lambda: process.cancelled == [(cooperative.id, 1)])
    process.report(Stopped(process.assignment))
    assert bench.process_of(unresponsive) is process
    bench.store.jobs.cancel(unresponsive.id)
    assert bench.within(1, lambda: process.killed)
    assert time.monotonic() - begin < 5 * PATIENCE
    last = bench.submit()
    bench.process_of(last).done()
    assert bench.within(5, lambda: bench.state(last) == ("done", 1))
    assert [bench.state(job)[0] for job in (cooperative, unresponsive)] == [
        "cancelled",
        "cancelled",
    ]
    assert bench.store.jobs.get(unresponsive.id).worker_crashes == 0


def test_stopping_queues_running_jobs_again(make_bench: Any) -> None:
    bench = make_bench().start()
    job = bench.submit()
    process = bench.process_of(job)
    process.report(Progressed(process.assignment, {"evaluated": 3}))
    assert bench.within(5, lambda: bench.store.jobs.get(job.id).progress is not None)
    bench.engine.stop()
    bench.thread.join(5)
    queued = bench.store.jobs.get(job.id)
    assert (queued.state, queued.attempt, queued.worker_crashes, queued.progress) == (
        "queued",
        1,
        0,
        None,
    )
    assert process.killed
    assert [engine.state for engine in bench.store.engines.list()] == ["stopped"]


def test_a_job_of_several_processes_gets_a_worker_without_resources(
    make_bench: Any,
) -> None:
    bench = make_bench(Needs(2, 0), warm=2).start()
    assert bench.within(5, lambda: len(bench.processes) == 2)
    job = bench.store.jobs.create("retrain", {}, {"workers": 2}, resources=Resources(2))[0]
    process = bench.process_of(job)
    assert process.worker.needs == Needs(2, 0, spread=True)
    assert [process.killed for process in bench.processes[:2]] == [True, True], (
        "idle workers make room for its processes"
    )
    alone = bench.submit(cpus=2)
    time.sleep(0.3)
    assert bench.state(alone) == ("queued", 0), "its processes occupy the room"
    process.done()
    assert bench.process_of(alone).worker.needs == Needs(2, 0)
    bench.process_of(alone).done()
    assert bench.within(5, lambda: bench.processes[-1].worker.needs == Needs(1, 0)), (
        "workers for common jobs are started again"
    )
    assert bench.process_of(alone).killed


def test_engine_removes_what_killed_workers_left(
    make_bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.engine.HEARTBEAT", 0.1)
    scratch = tmp_path / "scratch"
    bench = make_bench(scratch=scratch)
    bench.start()
    job = bench.submit()
    process = bench.process_of(job)
    mine = scratch / f"{attempt_name(job.id, 1)}-abc"
    abandoned = scratch / f"{attempt_name('0' * 32, 1)}-abc"
    for folder in (mine, abandoned):
        folder.mkdir(parents=True)
    assert bench.within(10, lambda: list(scratch.iterdir()) == [mine])
    bench.store.jobs.cancel(job.id)
    assert bench.within(5, lambda: process.killed)
    assert bench.within(10, lambda: not list(scratch.iterdir()))
