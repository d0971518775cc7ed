"""Jobs in the store: transitions, attempts, order and owners, over both databases."""

import itertools
import threading
import time
from typing import Any

import pytest

from service.jobs import (
    LAWFUL,
    IllegalTransition,
    Job,
    JobError,
    JobState,
    Resources,
    StaleAttempt,
    UnknownJob,
)
from service.store import ANY, QuotaExceeded, Store

MOVES = {
    JobState.RUNNING: lambda store, job: store.leases.claim("e"),
    JobState.QUEUED: lambda store, job: store.jobs.requeue(job.id, job.attempt, crashed=True),
    JobState.DONE: lambda store, job: store.jobs.finish(
        job.id, job.attempt, {"found": 1}, "a.json"
    ),
    JobState.FAILED: lambda store, job: store.jobs.fail(job.id, job.attempt, JobError("Odd", "no")),
    JobState.CANCELLED: lambda store, job: store.jobs.cancel(job.id),
}
WAYS = {
    JobState.QUEUED: [],
    JobState.RUNNING: [JobState.RUNNING],
    JobState.DONE: [JobState.RUNNING, JobState.DONE],
    JobState.FAILED: [JobState.RUNNING, JobState.FAILED],
    JobState.CANCELLED: [JobState.CANCELLED],
}


def job_in(store: Store, state: JobState) -> Job:
    job, _ = store.jobs.create("search", {"space": "x"}, {"seed": 1})
    for step in WAYS[state]:
        MOVES[step](store, store.jobs.get(job.id))
    job = store.jobs.get(job.id)
    assert job.state is state
    return job


@pytest.mark.parametrize(("source", "target"), list(itertools.product(JobState, JobState)))
def test_only_allowed_transitions_succeed(store: Store, source: JobState, target: JobState) -> None:
    job = job_in(store, source)
    if target in LAWFUL[source]:
        MOVES[target](store, job)
        assert store.jobs.get(job.id).state is target
    elif target is JobState.RUNNING:
        assert store.leases.claim("e") is None
    elif source is target is JobState.CANCELLED:
        assert store.jobs.cancel(job.id) == job
    else:
        with pytest.raises(IllegalTransition, match=f"{source} and cannot become {target}"):
            MOVES[target](store, job)
    if target not in LAWFUL[source]:
        assert store.jobs.get(job.id) == job


def test_a_new_job_is_stored_as_requested(store: Store, url: str) -> None:
    resources = Resources(2, 0.5)
    job, created = store.jobs.create(
        "search", {"space": "x", "none": None}, {"seed": 2**62}, "me", resources
    )
    other = Store(url)
    try:
        assert other.jobs.get(job.id) == job
    finally:
        other.close()
    assert (job.request, job.task) == ({"space": "x", "none": None}, {"seed": 2**62})
    assert (job.state, job.attempt, job.worker_crashes, job.owner, job.resources) == (
        "queued",
        0,
        0,
        "me",
        resources,
    )
    assert created
    assert (job.progress, job.result, job.error, job.started, job.finished, job.lease) == (
        None,
    ) * 6


def test_the_oldest_job_is_claimed_first_and_once(store: Store) -> None:
    jobs = [store.jobs.create("search", {}, {})[0] for _ in range(3)]
    claimed = [store.leases.claim("e") for _ in range(4)]
    assert [job and job.id for job in claimed] == [*(job.id for job in jobs), None]
    assert all(job is None or (job.state, job.attempt) == ("running", 1) for job in claimed)


def test_concurrent_claims_get_different_jobs(store: Store) -> None:
    jobs = {store.jobs.create("search", {}, {})[0].id for _ in range(40)}
    claimed: list[str] = []

    def claim() -> None:
        while (job := store.leases.claim("e")) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 40
    assert set(claimed) == jobs


@pytest.mark.parametrize("report", ["report", "finish", "fail", "requeue"])
def test_reports_of_an_ended_attempt_change_nothing(store: Store, report: str) -> None:
    first = job_in(store, JobState.RUNNING)
    store.jobs.requeue(first.id, 1, crashed=True)
    second = store.leases.claim("e")
    assert second is not None
    assert (second.attempt, second.worker_crashes, second.progress) == (2, 1, None)
    calls = {
        "report": lambda: store.jobs.report(first.id, 1, {"evaluated": 1}),
        "finish": lambda: store.jobs.finish(first.id, 1, {}, "late.json"),
        "fail": lambda: store.jobs.fail(first.id, 1, JobError("Odd", "no")),
        "requeue": lambda: store.jobs.requeue(first.id, 1, crashed=True),
    }
    with pytest.raises(StaleAttempt, match=r"attempt 1 .* is over; it is at attempt 2"):
        calls[report]()
    assert store.jobs.get(first.id) == second


def test_only_running_jobs_record_progress(store: Store) -> None:
    job = job_in(store, JobState.RUNNING)
    store.jobs.report(job.id, 1, {"evaluated": 5})
    assert store.jobs.get(job.id).progress == {"evaluated": 5}
    store.jobs.cancel(job.id)
    with pytest.raises(IllegalTransition):
        store.jobs.report(job.id, 1, {"evaluated": 6})
    assert store.jobs.get(job.id).progress == {"evaluated": 5}


def test_a_restart_queues_running_jobs_again(store: Store) -> None:
    states = list(JobState)
    jobs = {state: job_in(store, state) for state in states if state is not JobState.QUEUED}
    queued = job_in(store, JobState.QUEUED)
    assert store.leases.recover() == 1
    assert store.jobs.get(jobs[JobState.RUNNING].id).state is JobState.QUEUED
    assert store.jobs.get(jobs[JobState.RUNNING].id).worker_crashes == 0
    assert all(
        store.jobs.get(jobs[state].id) == jobs[state]
        for state in jobs
        if state is not JobState.RUNNING
    )
    assert store.jobs.get(queued.id) == queued


def test_jobs_are_listed_newest_first_without_results(store: Store) -> None:
    jobs = [job_in(store, JobState.DONE) for _ in range(5)]
    page, total = store.jobs.list(limit=2, offset=1)
    assert ([job.id for job in page], total) == ([jobs[3].id, jobs[2].id], 5)
    assert page[0].result is None
    assert store.jobs.get(page[0].id).result == {"found": 1}
    assert store.jobs.list(limit=10, offset=5) == ([], 5)


@pytest.mark.parametrize("call", ["get", "cancel", "report"])
def test_unknown_jobs_are_named(store: Store, call: str) -> None:
    arguments = {"get": (), "cancel": (), "report": (1, {})}[call]
    with pytest.raises(UnknownJob, match="there is no search 'nowhere'"):
        getattr(store.jobs, call)("nowhere", *arguments)


def test_waiting_ends_with_the_job(store: Store) -> None:
    job = job_in(store, JobState.RUNNING)
    threading.Timer(0.1, lambda: store.jobs.finish(job.id, 1, {"found": 2}, "a.json")).start()
    assert store.jobs.wait(job.id, 20).result == {"found": 2}


def test_waiting_ends_with_the_timeout_or_the_service(store: Store) -> None:
    job = job_in(store, JobState.QUEUED)
    begin = time.monotonic()
    assert store.jobs.wait(job.id, 0.1).state is JobState.QUEUED
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    assert store.jobs.wait(job.id, 20, stop).state is JobState.QUEUED
    assert time.monotonic() - begin < 15


def test_lists_are_filtered(store: Store) -> None:
    kinds = [("search", "x", "me"), ("search", "y", "you"), ("retrain", "x", None)]
    jobs = [store.jobs.create(kind, {"space": space}, {}, owner)[0] for kind, space, owner in kinds]
    store.leases.claim("e")
    expected = [
        ({}, [2, 1, 0]),
        ({"kind": "search"}, [1, 0]),
        ({"state": "running"}, [0]),
        ({"state": JobState.QUEUED}, [2, 1]),
        ({"space": "x"}, [2, 0]),
        ({"space": "x", "kind": "retrain"}, [2]),
        ({"owner": "me"}, [0]),
        ({"owner": None}, [2]),
        ({"owner": ANY}, [2, 1, 0]),
        ({"space": "z"}, []),
        ({"space": "x\0"}, []),
    ]
    for values, found in expected:
        listed, total = store.jobs.list(**values)
        assert ([job.id for job in listed], total) == (
            [jobs[index].id for index in found],
            len(found),
        ), values


@pytest.mark.parametrize("owner", ["you", None])
def test_jobs_of_other_owners_are_unknown(store: Store, owner: str | None) -> None:
    job, _ = store.jobs.create("search", {}, {}, "me")
    calls = (
        store.jobs.get,
        store.jobs.cancel,
        lambda job_id, owner: store.events.list(job_id, owner=owner),
    )
    for call in calls:
        with pytest.raises(UnknownJob):
            call(job.id, owner=owner)
    assert store.jobs.get(job.id, "me") == store.jobs.get(job.id) == job
    assert store.jobs.cancel(job.id, "me").state is JobState.CANCELLED


def test_malformed_ids_are_unknown(store: Store) -> None:
    with pytest.raises(UnknownJob):
        store.jobs.get("a\0b")


def test_a_quota_counts_the_unfinished_jobs_of_its_token(store: Store) -> None:
    limited = store.tokens.check(store.tokens.create("limited", quota=2))
    free = store.tokens.check(store.tokens.create("free"))
    assert limited is not None
    assert free is not None
    first = store.jobs.create("search", {}, {}, limited.id)[0]
    store.jobs.create("search", {}, {}, limited.id)
    with pytest.raises(QuotaExceeded, match="may have 2 unfinished jobs"):
        store.jobs.create("search", {}, {}, limited.id)
    for owner in (free.id, None):
        for _ in range(3):
            store.jobs.create("search", {}, {}, owner)
    store.jobs.cancel(first.id)
    assert store.jobs.create("search", {}, {}, limited.id)[1]
    assert store.jobs.list(limited.id)[1] == 3


def test_a_quota_is_kept_by_concurrent_requests(store: Store) -> None:
    token = store.tokens.check(store.tokens.create("limited", quota=5))
    assert token is not None
    refused: list[int] = []

    def ask() -> None:
        for _ in range(4):
            try:
                store.jobs.create("search", {}, {}, token.id)
            except QuotaExceeded as error:
                refused.append(error.quota)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.jobs.list(token.id)[1] == 5
    assert refused == [5] * 15


def test_unusual_texts_and_numbers_survive_a_round_trip(store: Store) -> None:
    odd = {
        "text": "a\0b \ud800 \u2028 ä 'x' \"y\"",
        "number": 2**70,
        "tiny": 5e-324,
        "list": [1.0, None, True, {}],
    }
    job, _ = store.jobs.create("search", odd, odd)
    assert (store.jobs.get(job.id).request, store.jobs.get(job.id).task) == (odd, odd)
    store.leases.claim("e")
    store.jobs.report(job.id, 1, {"best": float("-inf"), "all": [float("nan"), 1.5]})
    assert store.jobs.get(job.id).progress == {"best": None, "all": [None, 1.5]}
    assert store.events.list(job.id)[-1].data == {"best": None, "all": [None, 1.5]}


def test_jobs_are_found_by_tag_and_text_in_every_database(store: Store) -> None:
    request = {"space": "Straße", "options": {"names": ["a%b", "\0"]}, "n": 1}
    first, _ = store.jobs.create("search", request, {})
    second, _ = store.jobs.create("search", {"space": "axb"}, {})
    store.jobs.label(first.id, tags=["B", "a", "b "])

    def found(**filters: str) -> set[str]:
        jobs, total = store.jobs.list(**filters)
        assert total == len(jobs)
        return {job.id for job in jobs}

    assert store.jobs.get(first.id).tags == ("a", "b")
    assert found(tag="A") == {first.id}
    assert found(tag="\0") == found(text="\0 x") == set()
    assert found(text="A%B strasse") == {first.id}
    assert found(text="search") == found(text=" ") == {first.id, second.id}
    store.jobs.cancel(first.id)
    assert store.jobs.remove([first.id, second.id]) == 1


def test_done_state_changes_with_each_job_that_is_done(store: Store, clock: Any) -> None:
    kinds = ("predictor", "pipeline")

    def finish(kind: str) -> str:
        job_id = store.jobs.create(kind, {}, {})[0].id
        assert store.leases.claim("e") is not None
        clock.now += 1
        store.jobs.finish(job_id, 1, {}, None)
        return job_id

    states = [store.jobs.done_state(kinds)]
    for kind in ("predictor", "search", "pipeline"):
        last = finish(kind)
        states.append(store.jobs.done_state(kinds))
    assert [total for total, _ in states] == [0, 1, 1, 2]
    assert states[1] == states[2]

    # Also where one job is removed and another becomes done in between.
    store.jobs.remove([last])
    finish("pipeline")
    assert store.jobs.done_state(kinds) not in states
