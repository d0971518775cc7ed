"""The engine with workers of the test's own: who gets which job, deaths, cancelling, leases, a
failing store.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from service.artifacts import Artifacts
from service.engine.engine import Engine, Fault
from service.engine.reports import (
    Assignment,
    Done,
    Failed,
    LostProcess,
    Order,
    Progressed,
    Ready,
    Report,
    Stopped,
)
from service.engine.worker import Needs, Worker
from service.jobs import Job, JobError, JobState, Resources, StaleAttempt
from service.store import Store


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (now := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return now


class Bench:
    """An engine in a thread, and workers that do what the test says."""

    def __init__(
        self, folder: Path, room: Needs, warm: int, clock: Callable[[], float] | None = None
    ):
        self.store = Store(folder / "jobs.sqlite", clock)
        self.artifacts = Artifacts(folder / "results")
        self.inbox: Any = queue.SimpleQueue()
        self.made: list[Hand] = []
        self.stillborn = False
        self.trouble: str | None = None
        self.raised: list[BaseException] = []
        self.engine = Engine(
            self.store,
            self.artifacts,
            "bench",
            self.inbox,
            self._make,
            lambda: room,
            lambda: self.trouble,
            warm,
        )
        self.thread = threading.Thread(target=self._run)

    def _make(self, needs: Needs) -> Worker:
        return Worker(needs, lambda worker: Hand(self, worker))

    def _run(self) -> None:
        try:
            self.engine.run()
        except Fault as fault:
            self.raised.append(fault)

    def start(self) -> "Bench":
        self.thread.start()
        return self

    def ask(self, **resources: float) -> Job:
        return self.store.jobs.create("search", {}, {"n": 1}, resources=Resources(**resources))[0]

    def state(self, job: Job) -> tuple[str, int]:
        now = self.store.jobs.get(job.id)
        return now.state.value, now.attempt

    def hand(self, job: Job, attempt: int = 1) -> "Hand":
        """The worker that runs an attempt."""
        found: list[Hand] = []

        def look() -> bool:
            found[:] = [hand for hand in self.made if (job.id, attempt) in hand.orders]
            return bool(found)

        assert within(5, look), f"nobody runs attempt {attempt}"
        return found[0]

    def end(self) -> None:
        self.engine.stop()
        if self.thread.ident is not None:
            self.thread.join()
        self.store.close()


class Hand:
    """The process of a worker."""

    def __init__(self, bench: Bench, worker: Worker):
        self.bench, self.worker = bench, worker
        self.orders: list[tuple[str, int]] = []
        self.cancelled: list[tuple[str, int]] = []
        self.killed = False
        bench.made.append(self)
        if bench.stillborn:
            self.die("was born dead")
        else:
            self.say(Ready(len(bench.made)))

    def run(self, order: Order) -> None:
        self.orders.append((order.assignment.job_id, order.assignment.attempt))

    def cancel(self, assignment: Assignment) -> None:
        self.cancelled.append((assignment.job_id, assignment.attempt))

    def kill(self) -> None:
        if not self.killed:
            self.killed = True
            self.die("was killed")

    def die(self, ending: str) -> None:
        self.worker.ending = ending
        self.bench.inbox.put((self.worker, None))

    def say(self, report: Report) -> None:
        self.bench.inbox.put((self.worker, report))

    @property
    def last(self) -> Assignment:
        """The attempt of the last order."""
        return Assignment(*self.orders[-1])

    def done(self, artifact: str | None = None) -> None:
        self.say(Done(self.last, {"best": []}, artifact))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def begin(
        room: Needs | None = None, warm: int = 1, clock: Callable[[], float] | None = None
    ) -> Bench:
        benches.append(Bench(tmp_path, room or Needs(1, 0), warm, clock))
        return benches[-1]

    yield begin
    for bench in benches:
        bench.end()


def test_jobs_run_one_after_the_other_and_are_recorded(make: Callable[..., Bench]) -> None:
    bench = make().start()
    first, second = bench.ask(), bench.ask()
    hand = bench.hand(first)
    hand.say(Progressed(hand.last, {"evaluated": 3}))
    assert within(5, lambda: bench.store.jobs.get(first.id).progress == {"evaluated": 3})
    assert bench.state(second) == ("queued", 0)
    hand.done("there")
    assert bench.hand(second) is hand, "the warm worker goes on"
    hand.say(Failed(hand.last, JobError("Infeasible", "no")))
    assert within(5, lambda: bench.state(second) == ("failed", 1))
    done = bench.store.jobs.get(first.id)
    assert (done.state, done.artifact, done.result) == ("done", "there", {"best": []})
    assert [engine.state for engine in bench.store.engines.list()] == ["ready"]
    assert len(bench.made) == 1


def test_a_large_job_waits_for_room_and_replaces_idle_workers(
    make: Callable[..., Bench],
) -> None:
    bench = make(Needs(2, 1), warm=2).start()
    assert within(5, lambda: len(bench.made) == 2)
    small, large, gpu = bench.ask(), bench.ask(cpus=2), bench.ask(cpus=0, gpus=1)
    hand = bench.hand(small)
    assert bench.hand(gpu).worker.needs == Needs(0, 1), "it is not held up by the large one"
    time.sleep(0.3)
    assert bench.state(large) == ("queued", 0)
    hand.done()
    assert bench.hand(large).worker.needs == Needs(2, 0)
    assert [one.killed for one in bench.made[:2]] == [True, True]
    bench.hand(large).done()
    bench.hand(gpu).done()
    again = bench.ask()
    bench.hand(again).done()
    assert within(5, lambda: bench.state(again) == ("done", 1))
    assert bench.store.jobs.get(large.id).worker_crashes == 0


def test_an_oversized_job_fails_without_delaying_others(make: Callable[..., Bench]) -> None:
    bench = make(Needs(2, 0)).start()
    huge, small = bench.ask(cpus=8, gpus=1), bench.ask()
    bench.hand(small).done()
    assert within(5, lambda: bench.state(huge) == ("failed", 1))
    error = bench.store.jobs.get(huge.id).error
    assert error == {
        "kind": "NoRoom",
        "detail": "the job needs 8 CPUs and 1 GPUs; the service has 2 and 0",
    }


def test_a_job_fails_after_its_third_worker_crash(
    make: Callable[..., Bench],
) -> None:
    bench = make().start()
    job = bench.ask()
    for attempt in (1, 2, 3):
        bench.hand(job, attempt).die(f"was hit {attempt} times")
    assert within(10, lambda: bench.state(job) == ("failed", 3))
    error = bench.store.jobs.get(job.id).error
    assert error == {
        "kind": "WorkerDied",
        "detail": "3 workers died on it; the last one was hit 3 times",
    }
    other = bench.ask()
    bench.hand(other).done()
    assert within(5, lambda: bench.state(other) == ("done", 1))


def test_workers_that_fail_to_start_are_reported_as_a_fault(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.stillborn = True
    bench.start()
    job = bench.ask()

    def said() -> str | None:
        return next(
            (engine.detail for engine in bench.store.engines.list() if engine.state == "fault"),
            None,
        )

    assert within(10, lambda: said() is not None)
    assert str(said()).startswith("workers do not start: ")
    bench.stillborn = False
    bench.hand(job).done()
    assert within(10, lambda: said() is None)
    assert within(5, lambda: bench.state(job) == ("done", 1)), (
        "no attempt was spent on those that did not start"
    )


def test_cancelling_requests_first_and_kills_unresponsive_workers(
    make: Callable[..., Bench],
) -> None:
    bench = make().start()
    polite, deaf = bench.ask(), bench.ask()
    hand = bench.hand(polite)
    begin = time.monotonic()
    bench.store.jobs.cancel(polite.id)
    assert within(0.5, lambda: hand.cancelled == [(polite.id, 1)])
    hand.say(Stopped(hand.last))
    assert bench.hand(deaf) is hand
    bench.store.jobs.cancel(deaf.id)
    assert within(1, lambda: hand.killed)
    assert time.monotonic() - begin < 5
    last = bench.ask()
    bench.hand(last).done()
    assert within(5, lambda: bench.state(last) == ("done", 1))
    assert [bench.state(job)[0] for job in (polite, deaf)] == ["cancelled", "cancelled"]
    assert bench.store.jobs.get(deaf.id).worker_crashes == 0


def test_a_lost_lease_ends_the_attempt_and_refuses_its_late_result(
    make: Callable[..., Bench],
) -> None:
    bench = make().start()
    job = bench.ask()
    hand = bench.hand(job)
    # As if this engine had been silent for too long, and another one had taken the job.
    assert bench.store.leases.recover("bench") == 1
    other = bench.store.leases.claim("another")
    assert other is not None
    assert (other.id, other.attempt) == (job.id, 2)
    late = bench.artifacts.write(job.id, 1, "result.json", b"{}")
    hand.done(late)
    assert within(5, lambda: not bench.artifacts.exists(late)), (
        "what the orphan left is cleared away"
    )
    now = bench.store.jobs.get(job.id)
    assert (now.state, now.attempt, now.result, now.engine) == (
        JobState.RUNNING,
        2,
        None,
        "another",
    )
    with pytest.raises(StaleAttempt):
        bench.store.jobs.report(job.id, 1, {"evaluated": 1})


def test_heartbeats_renew_leases_and_report_lost_ones(
    make: Callable[..., Bench], monkeypatch: Any
) -> None:
    monkeypatch.setattr("service.engine.engine.HEARTBEAT", 0.05)
    now = [1000.0]
    bench = make(clock=lambda: now[0]).start()
    job = bench.ask()
    hand = bench.hand(job)
    for _ in range(10):
        now[0] += 4.0
        assert within(5, lambda: (bench.store.jobs.get(job.id).lease or 0) >= now[0] + 9), (
            "the lease is prolonged"
        )
    assert bench.state(job) == ("running", 1)
    assert bench.store.leases.recover("bench") == 1
    taken = bench.store.leases.claim("another")
    assert taken is not None
    assert within(5, lambda: hand.cancelled == [(job.id, 1)])
    # The other engine says nothing: its lease ends, and the job comes back.
    hand.say(Stopped(hand.last))
    now[0] += 11.0
    bench.hand(job, 3).done()
    assert within(5, lambda: bench.state(job) == ("done", 3))
    assert bench.store.jobs.get(job.id).worker_crashes == 1


def test_a_failing_store_delays_the_result_without_losing_it(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make().start()
    job = bench.ask()
    hand = bench.hand(job)
    finish, failures = bench.store.jobs.finish, [1]

    def failing(*arguments: Any) -> None:
        if failures:
            failures.pop()
            raise OperationalError("UPDATE jobs", {}, Exception("database or disk is full"))
        finish(*arguments)

    monkeypatch.setattr(bench.store.jobs, "finish", failing)
    hand.done()
    assert within(10, lambda: bench.state(job) == ("done", 1))
    assert failures == []


def test_a_dead_ray_ends_the_engine_without_blaming_its_jobs(
    make: Callable[..., Bench],
) -> None:
    bench = make().start()
    job = bench.ask()
    hand = bench.hand(job)
    bench.trouble = "Ray's raylet has ended"
    hand.die("was cut off")
    bench.thread.join(5)
    assert [str(fault) for fault in bench.raised] == ["Ray's raylet has ended"]
    now = bench.store.jobs.get(job.id)
    assert (now.state, now.worker_crashes) == ("queued", 0)


def test_stopping_queues_running_jobs_again(make: Callable[..., Bench]) -> None:
    bench = make().start()
    job = bench.ask()
    hand = bench.hand(job)
    hand.say(Progressed(hand.last, {"evaluated": 3}))
    assert within(5, lambda: bench.store.jobs.get(job.id).progress is not None)
    bench.engine.stop()
    bench.thread.join(5)
    left = bench.store.jobs.get(job.id)
    assert (left.state, left.attempt, left.worker_crashes, left.progress) == ("queued", 1, 0, None)
    assert hand.killed
    assert [engine.state for engine in bench.store.engines.list()] == ["stopped"]


def test_a_job_that_lost_a_process_runs_again_in_the_same_worker(
    make: Callable[..., Bench],
) -> None:
    bench = make().start()
    job = bench.ask()
    hand = bench.hand(job)
    kept = bench.artifacts.write(job.id, 1, "kept-last.ckpt", b"half way")
    for attempt in (1, 2, 3):
        assert bench.hand(job, attempt) is hand
        hand.say(LostProcess(hand.last, "was killed by SIGKILL"))
    assert within(5, lambda: bench.state(job) == ("failed", 3))
    error = bench.store.jobs.get(job.id).error
    assert error == {
        "kind": "WorkerDied",
        "detail": "3 workers died on it; the last one was killed by SIGKILL",
    }
    assert bench.artifacts.read(kept) == b"half way", "what it kept is there for the attempts after"
    assert not hand.killed


def test_a_job_of_several_processes_gets_a_worker_without_resources(
    make: Callable[..., Bench],
) -> None:
    bench = make(Needs(2, 0), warm=2).start()
    assert within(5, lambda: len(bench.made) == 2)
    job = bench.store.jobs.create("retrain", {}, {"workers": 2}, resources=Resources(2))[0]
    hand = bench.hand(job)
    assert hand.worker.needs == Needs(2, 0, spread=True)
    assert [one.killed for one in bench.made[:2]] == [True, True], (
        "they make room for its processes"
    )
    alone = bench.ask(cpus=2)
    time.sleep(0.3)
    assert bench.state(alone) == ("queued", 0), "its processes take the room"
    hand.done()
    assert bench.hand(alone).worker.needs == Needs(2, 0)
    bench.hand(alone).done()
    assert within(5, lambda: bench.made[-1].worker.needs == Needs(1, 0)), (
        "those for common jobs come back"
    )
    assert bench.hand(alone).killed
