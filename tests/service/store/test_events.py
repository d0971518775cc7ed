"""Events of jobs: their order and numbers, and waiting for them."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from service.store import Store

ROOT = Path(__file__).resolve().parents[3]


def told(store: Store, job_id: str, after: int = 0) -> list[tuple[int, str, object]]:
    return [(event.sequence, event.kind, event.data) for event in store.events.list(job_id, after)]


def test_events_of_a_job_are_in_order(store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    store.leases.claim("e")
    store.jobs.report(job.id, 1, {"evaluated": 1})
    store.jobs.requeue(job.id, 1, crashed=True)
    store.leases.claim("e")
    store.jobs.report(job.id, 2, {"evaluated": 2})
    store.jobs.finish(job.id, 2, {"best": [3]}, None)
    assert told(store, job.id) == [
        (1, "state", {"state": "queued", "attempt": 0}),
        (2, "state", {"state": "running", "attempt": 1}),
        # The end has removed the third event, the progress of the first attempt.
        (4, "state", {"state": "queued", "attempt": 1}),
        (5, "state", {"state": "running", "attempt": 2}),
        (6, "progress", {"evaluated": 2}),
        (7, "result", {"best": [3]}),
        (8, "state", {"state": "done", "attempt": 2}),
    ]
    assert told(store, job.id, 6) == told(store, job.id)[5:]
    assert [event.sequence for event in store.events.list(job.id, 2, limit=3)] == [4, 5, 6]
    assert store.events.list(job.id, 8) == []


def test_refused_changes_have_no_events(store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    store.leases.claim("e")
    store.jobs.cancel(job.id)
    before = told(store, job.id)
    assert before[-1][2] == {"state": "cancelled", "attempt": 1}
    store.jobs.cancel(job.id)
    for late in (
        lambda: store.jobs.report(job.id, 1, {}),
        lambda: store.jobs.finish(job.id, 1, {}, None),
    ):
        with pytest.raises(Exception, match="cannot become"):
            late()
    assert told(store, job.id) == before


def test_events_of_jobs_do_not_mix(store: Store) -> None:
    jobs = [store.jobs.create("search", {}, {})[0] for _ in range(3)]
    for _ in range(3):
        store.leases.claim("e")
    for number in range(4):
        for job in jobs:
            store.jobs.report(job.id, 1, {"evaluated": number})
    for job in jobs:
        assert [event.sequence for event in store.events.list(job.id)] == list(range(1, 7))


def test_concurrent_reports_are_numbered_without_gaps(store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    store.leases.claim("e")

    def report(begin: int) -> None:
        for number in range(10):
            store.jobs.report(job.id, 1, {"evaluated": begin + number})

    threads = [threading.Thread(target=report, args=(100 * index,)) for index in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.events.list(job.id)
    assert [event.sequence for event in found] == list(range(1, 53))
    assert len({event.data["evaluated"] for event in found[2:]}) == 50
    assert store.jobs.get(job.id).progress == found[-1].data


def test_waiting_returns_new_events(store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    assert [event.sequence for event in store.events.wait(job.id, 0, 20)] == [1]
    begin = time.monotonic()
    assert store.events.wait(job.id, 1, 0.1) == []
    threading.Timer(0.1, lambda: store.leases.claim("e")).start()
    assert [event.sequence for event in store.events.wait(job.id, 1, 20)] == [2]
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    assert store.events.wait(job.id, 2, 20, stop) == []
    store.jobs.cancel(job.id)
    assert [event.sequence for event in store.events.wait(job.id, 2, 20)] == [3]
    assert store.events.wait(job.id, 3, 20) == [], "nothing more will come"
    assert time.monotonic() - begin < 18


def test_changes_by_another_process_wake_waiting_readers(url: str, store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    code = (
        "import sys; from service.store import Store; store = Store(sys.argv[1]); print('ready',"
        " flush=True)\nsys.stdin.readline(); store.leases.claim('e'); sys.stdin.readline();"
        " store.jobs.finish(sys.argv[2], 1, {}, None)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, url, job.id],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        seen: list[str] = []
        waiting = threading.Thread(target=lambda: seen.append(store.jobs.wait(job.id, 30).state))
        waiting.start()
        process.stdin.write("\n")
        process.stdin.flush()
        assert [event.data["state"] for event in store.events.wait(job.id, 1, 30)] == ["running"]
        process.stdin.write("\n")
        process.stdin.close()
        waiting.join(30)
    assert seen == ["done"]


def test_the_database_is_polled_only_while_readers_wait(store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    threads = threading.active_count()
    store.jobs.wait(job.id, 0.05)
    deadline = time.monotonic() + 30
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() == threads


def test_only_the_last_progress_of_an_ended_job_remains(store: Store) -> None:
    job, _ = store.jobs.create("search", {}, {})
    other, _ = store.jobs.create("search", {}, {})
    for _ in range(2):
        store.leases.claim("e")
    for number in range(5):
        store.jobs.report(job.id, 1, {"evaluated": number})
        store.jobs.report(other.id, 1, {"evaluated": number})

    store.jobs.finish(job.id, 1, {}, None, {"evaluated": 5})

    assert told(store, job.id) == [
        (1, "state", {"state": "queued", "attempt": 0}),
        (2, "state", {"state": "running", "attempt": 1}),
        (8, "progress", {"evaluated": 5}),
        (9, "result", {}),
        (10, "state", {"state": "done", "attempt": 1}),
    ]
    assert len(told(store, other.id)) == 7, "a running job keeps its progress"
