"""A store compared with a model of it: both agree after any sequence of operations."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from service.jobs import (
    LAWFUL,
    MAX_INTERRUPTIONS,
    MAX_WORKER_CRASHES,
    IllegalTransition,
    JobError,
    JobState,
    Resources,
    StaleAttempt,
)
from service.store import Store

ENGINES = ("one", "two")
LEASE = 10.0


class Modelled:
    """What a job should be."""

    def __init__(self, cpus: int) -> None:
        self.cpus = cpus
        self.state, self.attempt, self.worker_crashes, self.engine, self.lease = (
            JobState.QUEUED,
            0,
            0,
            "",
            0.0,
        )
        self.progress: dict[str, int] | None = None
        self.interruptions = 0
        self.events: list[dict[str, Any]] = [{"state": "queued", "attempt": 0}]

    def move(self, target: JobState, **data: str) -> None:
        assert target in LAWFUL[self.state]
        self.state = target
        if target is JobState.QUEUED:
            self.progress, self.lease = None, 0.0
        self.events.append({"state": str(target), "attempt": self.attempt, **data})

    def lose(self) -> None:
        self.worker_crashes += 1
        self.move(JobState.FAILED if self.worker_crashes == MAX_WORKER_CRASHES else JobState.QUEUED)

    def interrupt(self, reason: str) -> None:
        self.interruptions += 1
        if self.interruptions == MAX_INTERRUPTIONS:
            self.move(JobState.FAILED)
        else:
            self.move(JobState.QUEUED, interrupted=reason)


class Life(RuleBasedStateMachine):
    """Clients, two engines, time, and late writes of attempts that are over."""

    runs = Bundle("runs")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1000.0
        self.store = Store(Path(self.folder.name) / "jobs.sqlite", lambda: self.now)
        self.model: dict[str, Modelled] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    @rule(cpus=st.integers(1, 3))
    def create(self, cpus: int) -> None:
        job, _ = self.store.jobs.create("search", {}, {}, resources=Resources(cpus))
        self.model[job.id] = Modelled(cpus)

    @rule(target=runs, engine=st.sampled_from(ENGINES), free=st.none() | st.integers(1, 3))
    def claim(self, engine: str, free: int | None) -> Any:
        job = self.store.leases.claim(engine, LEASE, None if free is None else Resources(free, 9.0))
        fitting = (
            job_id
            for job_id, model in self.model.items()
            if model.state is JobState.QUEUED and (free is None or model.cpus <= free)
        )
        expected = next(fitting, None)
        assert (job and job.id) == expected
        if job is None or expected is None:
            return None
        model = self.model[expected]
        model.attempt, model.engine, model.lease, model.progress = (
            model.attempt + 1,
            engine,
            self.now + LEASE,
            None,
        )
        model.move(JobState.RUNNING)
        return expected, model.attempt

    @rule(run=runs, number=st.integers(0, 9))
    def report(self, run: Any, number: int) -> None:
        if self.write(
            run,
            lambda job_id, attempt: self.store.jobs.report(job_id, attempt, {"evaluated": number}),
        ):
            model = self.model[run[0]]
            model.progress = {"evaluated": number}
            model.events.append({"evaluated": number})

    @rule(run=runs)
    def finish(self, run: Any) -> None:
        if self.write(
            run,
            lambda job_id, attempt: self.store.jobs.finish(job_id, attempt, {"by": attempt}, None),
        ):
            self.model[run[0]].events.append({"by": run[1]})
            self.model[run[0]].move(JobState.DONE)

    @rule(run=runs, died=st.booleans())
    def fail(self, run: Any, died: bool) -> None:
        if self.write(
            run,
            lambda job_id, attempt: self.store.jobs.fail(
                job_id, attempt, JobError("Odd", "no"), crashed=died
            ),
        ):
            self.model[run[0]].worker_crashes += died
            self.model[run[0]].move(JobState.FAILED)

    @rule(run=consumes(runs), died=st.booleans())
    def requeue(self, run: Any, died: bool) -> None:
        if self.write(
            run, lambda job_id, attempt: self.store.jobs.requeue(job_id, attempt, crashed=died)
        ):
            self.model[run[0]].worker_crashes += died
            self.model[run[0]].move(JobState.QUEUED)

    def write(self, run: Any, write: Any) -> bool:
        """Write for a run; whether it was to be accepted, and was."""
        if run is None:
            return False
        job_id, attempt = run
        model = self.model[job_id]
        if attempt != model.attempt:
            with pytest.raises(StaleAttempt):
                write(job_id, attempt)
            return False
        if model.state is not JobState.RUNNING:
            with pytest.raises(IllegalTransition):
                write(job_id, attempt)
            return False
        write(job_id, attempt)
        return True

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.model:
            return
        job_id = data.draw(st.sampled_from(sorted(self.model)))
        model = self.model[job_id]
        if model.state in (JobState.DONE, JobState.FAILED):
            with pytest.raises(IllegalTransition):
                self.store.jobs.cancel(job_id)
        elif model.state is JobState.CANCELLED:
            assert self.store.jobs.cancel(job_id).state is JobState.CANCELLED
        else:
            self.store.jobs.cancel(job_id)
            model.move(JobState.CANCELLED)

    @rule(engine=st.sampled_from(ENGINES), held=st.lists(runs, max_size=4))
    def heartbeat(self, engine: str, held: list[Any]) -> None:
        answer = [run for run in held if run is not None]
        lost = self.store.leases.renew(engine, answer, LEASE)
        for job_id, attempt in answer:
            model = self.model[job_id]
            ours = (model.state, model.attempt, model.engine) == (JobState.RUNNING, attempt, engine)
            assert ((job_id, attempt) not in lost) == ours
            if ours:
                model.lease = self.now + LEASE

    @rule(seconds=st.sampled_from([1.0, 4.0, 9.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        late = [
            m for m in self.model.values() if m.state is JobState.RUNNING and m.lease < self.now
        ]
        assert self.store.leases.expire() == len(late)
        for model in late:
            model.interrupt("its engine has not reported in time")

    @rule(engine=st.sampled_from(ENGINES), forgets=st.booleans())
    def look_after_own_jobs(self, engine: str, forgets: bool) -> None:
        """An engine whose own leases may be over, and which may not know of its jobs."""
        all_running = [m for m in self.model.values() if m.state is JobState.RUNNING]
        late = [m for m in all_running if m.engine != engine and m.lease < self.now]
        own = {
            (job_id, m.attempt): m
            for job_id, m in self.model.items()
            if m.engine == engine and m.state is JobState.RUNNING
        }
        held = [] if forgets else list(own)
        num_lost = len(late) + (len(own) if forgets else 0)
        assert self.store.leases.expire(engine, held) == num_lost
        for model in late:
            model.interrupt("its engine has not reported in time")
        for model in own.values() if forgets else ():
            model.move(JobState.QUEUED)

    @rule(
        engine=st.sampled_from([None, *ENGINES]),
        ending=st.sampled_from([None, "was killed by SIGKILL"]),
    )
    def recover(self, engine: str | None, ending: str | None) -> None:
        remaining = [
            m
            for m in self.model.values()
            if m.state is JobState.RUNNING and engine in (None, m.engine)
        ]
        assert self.store.leases.recover(engine, ending) == len(remaining)
        for model in remaining:
            model.move(JobState.QUEUED) if ending is None else model.interrupt(ending)

    @rule(engine=st.sampled_from(ENGINES))
    def look_for_cancelled(self, engine: str) -> None:
        expected = {
            (job_id, model.attempt)
            for job_id, model in self.model.items()
            if model.state is JobState.CANCELLED
            and model.engine == engine
            and model.lease > self.now
        }
        assert set(self.store.leases.cancelled(engine)) == expected

    @invariant()
    def both_agree(self) -> None:
        for job_id, model in getattr(self, "model", {}).items():
            job = self.store.jobs.get(job_id)
            assert (job.state, job.attempt, job.worker_crashes) == (
                model.state,
                model.attempt,
                model.worker_crashes,
            )
            assert job.progress == model.progress
            events = self.store.events.list(job_id)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            answer = [
                {key: value for key, value in event.data.items() if key != "error"}
                for event in events
            ]
            assert answer == model.events


Life.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
test_life = Life.TestCase
