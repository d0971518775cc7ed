"""`/search` without an engine: accepting, listing, waiting, cancelling, and candidates."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from service.admission.tasks import SearchTask
from service.context import service_of
from service.jobs import JobError
from service.store import Store

SEARCH = {"space": "spos-tiny", "device": "made-up", "constraints": {"latency_ms": {"max": 1.0}}}


def changed(**parts: Any) -> dict[str, Any]:
    return {key: value for key, value in {**SEARCH, **parts}.items() if value is not None}


def test_an_accepted_search_is_stored(app: APIFlask, http: FlaskClient) -> None:
    answer = http.post("/search", json=SEARCH)
    body = answer.json
    assert answer.status_code == 202
    assert answer.headers["Location"] == body["links"]["self"] == f"/search/{body['id']}"
    assert (body["state"], body["attempt"], body["progress"], body["result"]) == (
        "queued",
        0,
        None,
        None,
    )
    assert body["request"]["guide"] == {
        "kind": "predictor",
        "name": "small",
        "metric": None,
        "rank_by": None,
        "under": [],
    }
    assert (body["request"]["margin"], body["request"]["strategy"]["name"]) == (1.64, "evolution")
    assert http.get(answer.headers["Location"]).json == body
    service = service_of(app)
    task = SearchTask.from_dict(service.store.jobs.get(body["id"]).task)
    assert (task.space, task.limits, task.seed, task.count) == (
        "spos-tiny",
        {"latency_ms": 1.0},
        0,
        1,
    )
    assert Path(task.table.path).name == "made-up.json"
    assert task.table.checked() == Path(task.table.path)


@pytest.mark.parametrize(
    "parts",
    [
        {"constraints": None, "device": None},
        {"constraints": {"flops": {"max": 3_000_000}, "params": {"max": 1e9}}},
        {"strategy": {"name": "spos", "options": {"generations": 3, "mutation_probability": 0.5}}},
        {"strategy": {"name": "random", "options": {"evaluations": 5}}, "margin": 0, "count": 1000},
        {"finalists": {}},
        {"finalists": {"count": 4, "data": "digits", "training": {"learning_rate": 0.1}}},
        {"seed": 2**63 - 1, "guide": {"kind": "predictor", "name": "small"}},
    ],
)
def test_valid_requests_are_accepted(http: FlaskClient, parts: dict[str, Any]) -> None:
    answer = http.post("/search", json=changed(**parts))
    assert answer.status_code == 202, answer.json


def test_searches_are_listed_newest_first(http: FlaskClient) -> None:
    ids = [http.post("/search", json=changed(seed=seed)).json["id"] for seed in range(4)]
    listed = http.get("/search?limit=2&offset=1").json
    assert [search["id"] for search in listed["searches"]] == [ids[2], ids[1]]
    assert (listed["total"], listed["limit"], listed["offset"]) == (4, 2, 1)


def test_cancelling_twice_gives_the_same_answer(app: APIFlask, http: FlaskClient) -> None:
    where = http.post("/search", json=SEARCH).headers["Location"]
    for _ in range(2):
        answer = http.delete(where)
        assert (answer.status_code, answer.json["state"]) == (200, "cancelled")
    assert service_of(app).store.jobs.get(where.rpartition("/")[2]).state == "cancelled"


def test_cancelling_does_not_wait_for_the_end_of_the_search(http: FlaskClient) -> None:
    job_url = http.post("/search", json=SEARCH).headers["Location"]
    start = time.monotonic()
    answer = http.delete(job_url, headers={"Prefer": "wait=30"})
    assert answer.json["state"] == "cancelled"
    assert time.monotonic() - start < 15


def test_finished_searches_cannot_be_cancelled(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    store: Store = service_of(app).store
    job_id = http.post("/search", json=SEARCH).json["id"]
    store.leases.claim("e")
    store.jobs.finish(job_id, 1, {"best": []}, "none.json")
    body = problem(http.delete(f"/search/{job_id}"), 409, "conflict")
    assert body["state"] == "done"
    assert http.get(f"/search/{job_id}").json["result"] == {"best": []}


def test_candidates_are_served_on_request(app: APIFlask, http: FlaskClient, problem: Any) -> None:
    service = service_of(app)
    job_id = http.post("/search", json=SEARCH).json["id"]
    assert http.get(f"/search/{job_id}?candidates=1").json["result"] is None
    service.store.leases.claim("e")
    service.store.jobs.finish(job_id, 1, {"best": []}, f"{job_id}/1/full.json")
    problem(http.get(f"/search/{job_id}?candidates=1"), 410, "gone", "id")
    service.artifacts.write(job_id, 1, "full.json", b'{"best": [], "candidates": {}}')
    assert http.get(f"/search/{job_id}?candidates=1").json["result"] == {
        "best": [],
        "candidates": {},
    }
    assert http.get(f"/search/{job_id}?candidates=0").json["result"] == {"best": []}
    problem(http.get(f"/search/{job_id}?candidates=many"), 422, "invalid-value", "candidates")


def test_failed_searches_report_the_reason(app: APIFlask, http: FlaskClient) -> None:
    job_id = http.post("/search", json=SEARCH).json["id"]
    store = service_of(app).store
    store.leases.claim("e")
    store.jobs.fail(job_id, 1, JobError("ChangedFile", "it was changed"))
    output = http.get(f"/search/{job_id}").json
    assert (output["state"], output["error"]["detail"]) == ("failed", "it was changed")


@pytest.mark.parametrize(
    ("header", "applied"),
    [
        ("wait=1", "wait=1"),
        ("respond-async, WAIT = 1", "wait=1"),
        ("wait=x", None),
        ("await=3", None),
        ("", None),
    ],
)
def test_the_preferred_wait_is_applied(http: FlaskClient, header: str, applied: str | None) -> None:
    answer = http.post("/search", json=SEARCH, headers={"Prefer": header})
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (202, applied)


def test_waiting_requests_receive_the_result(app: APIFlask, http: FlaskClient) -> None:
    store = service_of(app).store

    def work() -> None:
        while (job := store.leases.claim("e")) is None:
            time.sleep(0.01)
        store.jobs.finish(job.id, job.attempt, {"best": [1]}, "none.json")

    worker = threading.Thread(target=work)
    worker.start()
    answer = http.post("/search", json=SEARCH, headers={"Prefer": "wait=20"})
    worker.join()
    assert (answer.status_code, answer.json["state"], answer.json["result"]) == (
        200,
        "done",
        {"best": [1]},
    )
