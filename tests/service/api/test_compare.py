"""Two networks side by side."""

import json
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.context import Service, service_of
from service.engine.attempt import Attempt
from service.engine.reports import Assignment, Done

SPACE = "spos-tiny"


def network(*codes: int) -> str:
    space = spaces.get(SPACE)
    return space.architecture([*codes, *[0] * (len(space.choices) - len(codes))]).to_json()


def compare(http: FlaskClient, **query: str) -> Any:
    return http.get("/compare", query_string=query)


def run_search(service: Service, http: FlaskClient) -> str:
    body = {
        "space": SPACE,
        "device": "made-up",
        "strategy": {"name": "random", "options": {"evaluations": 4}},
    }
    job_id = str(http.post("/search", json=body).get_json()["id"])
    job = service.store.leases.claim("test", 60)
    assert job is not None
    assignment = Assignment(job.id, job.attempt)
    attempt = Attempt(assignment, service.artifacts, lambda _: None, lambda _: False)
    done = attempt.run("search", job.task)
    assert isinstance(done, Done)
    service.store.jobs.finish(job.id, job.attempt, done.result, done.artifact)
    return job_id


def test_differing_blocks_and_choices_of_pasted_networks_are_marked(http: FlaskClient) -> None:
    answer = compare(http, a=network(0, 1), b=network(2, 1), device="made-up", predictor="small")

    body = answer.get_json()
    assert answer.status_code == 200, body
    assert [pair["differs"] for pair in body["choices"]][:2] == [True, False]
    differing = [pair for pair in body["blocks"] if pair["differs"]]
    assert differing
    for pair in body["blocks"]:
        same = body["a"]["blocks"][pair["a"]]["key"] == body["b"]["blocks"][pair["b"]]["key"]
        assert same != pair["differs"]
    assert body["a"]["latency_ms"] > 0
    assert all(block["latency_ms"] > 0 for block in body["b"]["blocks"])
    assert body["a"]["score"] != body["b"]["score"]
    assert (body["device"], body["predictor"]) == ("made-up", "small")


def test_networks_of_searches_trainings_and_papers_are_compared(
    app: APIFlask, http: FlaskClient
) -> None:
    service = service_of(app)
    search = run_search(service, http)
    service.store.jobs.create("retrain", {}, {})
    job = service.store.leases.claim("test", 60)
    assert job is not None
    result = {"architecture": json.loads(network(1))}
    service.store.jobs.finish(job.id, job.attempt, result, None)
    http.patch(f"/jobs/{job.id}", json={"name": "Trained"})

    body = compare(http, a=f"job:{job.id}", b=f"search:{search}:3").get_json()
    # The device and the predictor of the search.
    assert (body["device"], body["predictor"]) == ("made-up", "small")
    assert body["a"]["label"] == "trained by Trained"
    assert body["b"]["label"].startswith("network 4 of the search ")
    assert None not in (body["a"]["score"], body["b"]["score"], body["a"]["latency_ms"])

    # Of different spaces; blocks of one alone have no counterpart.
    names = [item["name"] for item in http.get("/published").get_json()["items"]]
    assert "proxyless-mobile" in names
    body = compare(http, a="published:proxyless-mobile", b=f"job:{job.id}").get_json()
    assert {pair["b"] for pair in body["blocks"]} >= {None}
    assert (body["a"]["score"], body["a"]["latency_ms"], body["device"]) == (None, None, None)


@pytest.mark.parametrize(
    ("a", "status", "slug", "field"),
    [
        ("{", 422, "invalid-value", "a"),
        ('{"space": "nowhere", "choices": {}}', 422, "unknown-name", "a"),
        ("published:nothing", 422, "unknown-name", "a"),
        ("spos-tiny", 422, "invalid-value", "a"),
        ("search:x:-1", 422, "invalid-value", "a"),
        ("search:x:0", 404, "unknown-search", "id"),
        ("job:x", 404, "unknown-search", "id"),
    ],
)
def test_unknown_networks_are_refused(
    http: FlaskClient, problem: Any, a: str, status: int, slug: str, field: str
) -> None:
    problem(compare(http, a=a, b=network()), status, slug, field)


def test_unknown_ranks_devices_and_predictors_are_refused(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    search = run_search(service_of(app), http)
    problem(compare(http, a=network(), b=f"search:{search}:4"), 422, "invalid-value", "b")
    both = {"a": network(), "b": network(3)}
    problem(compare(http, **both, device="none"), 422, "unknown-name", "device")
    problem(compare(http, **both, predictor="none"), 422, "unknown-name", "predictor")
    problem(compare(http, **both, device="lacking"), 422, "invalid-value", "device")
