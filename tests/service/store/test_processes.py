"""Many processes over one database: no job is claimed twice, and no process is refused."""

import collections
import json
import subprocess
import sys
import threading
from pathlib import Path

from service.store import Store

ROOT = Path(__file__).resolve().parents[3]

CLAIM = """
import json, sys
from service.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
claimed = []
while (job := store.leases.claim(sys.argv[2])) is not None:
    claimed.append((job.id, job.attempt))
    store.jobs.report(job.id, job.attempt, {"by": sys.argv[2]})
    store.leases.renew(sys.argv[2], [(job.id, job.attempt)])
    store.jobs.finish(job.id, job.attempt, {"by": sys.argv[2]}, None)
print(json.dumps(claimed))
"""

WORK = """
import sys, threading
from service.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
def work():
    for number in range(5):
        job, _ = store.jobs.create("search", {"from": sys.argv[2]}, {})
        store.jobs.list(limit=5)
        while (mine := store.leases.claim(sys.argv[2])) is not None:
            store.jobs.report(mine.id, mine.attempt, {"evaluated": number})
            store.jobs.finish(mine.id, mine.attempt, {}, None)
        assert store.jobs.wait(job.id, 60).state == "done"
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("[]")
"""


def together(code: str, url: str, count: int) -> list[object]:
    """What processes print that begin at the same time."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, f"engine-{index}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    result = [process.communicate(timeout=300) for process in processes]
    assert [error for _, error in result] == [""] * count
    return [json.loads(message) for message, _ in result]


def test_no_job_is_claimed_by_two_processes(store: Store, url: str) -> None:
    jobs = {store.jobs.create("search", {}, {})[0].id for _ in range(40)}
    parts = together(CLAIM, url, 2)
    claimed = [(job_id, attempt) for part in parts for job_id, attempt in part]  # type: ignore[attr-defined]
    assert collections.Counter(claimed) == dict.fromkeys(((job_id, 1) for job_id in jobs), 1)
    assert {store.jobs.get(job_id).state for job_id in jobs} == {"done"}
    for index, part in enumerate(parts):
        for job_id, _ in part:  # type: ignore[attr-defined]
            assert store.jobs.get(job_id).result == {"by": f"engine-{index}"}
            assert [event.sequence for event in store.events.list(job_id)] == [1, 2, 3, 4, 5]


def test_no_process_is_refused_among_many_writers(store: Store, url: str) -> None:
    together(WORK, url, 3)
    jobs, total = store.jobs.list(limit=200)
    assert total == 45
    assert {(job.state, job.attempt) for job in jobs} == {("done", 1)}


def test_a_claim_skips_a_job_that_another_transaction_claims(store: Store) -> None:
    """Two that claim at the same moment: on PostgreSQL the second need not wait for the first."""
    jobs = [store.jobs.create("search", {}, {})[0].id for _ in range(2)]
    if store.path is not None:
        both = [store.leases.claim("one"), store.leases.claim("two")]
        assert [job and job.id for job in both] == jobs
        return
    from service.store import leases

    with store.database.writing() as first:
        assert leases.claim_oldest(first, 0.0, "one", 10, None) == jobs[0]
        first.flush()
        claimed: list[str | None] = []

        def claim() -> None:
            job = store.leases.claim("two")
            claimed.append(job and job.id)

        other = threading.Thread(target=claim)
        other.start()
        other.join(30)
        assert claimed == [jobs[1]]
    assert [store.jobs.get(job_id).engine for job_id in jobs] == ["one", "two"]
