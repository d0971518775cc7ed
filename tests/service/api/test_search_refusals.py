"""Searches and other requests that are refused: every reason is a problem that names the field."""

import json
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spaces
from service.app import create_app
from service.context import service_of
from service.settings import Settings
from tables.lookup_table import LookupTable

SEARCH = {"space": "spos-tiny", "device": "made-up", "constraints": {"latency_ms": {"max": 1.0}}}


def changed(**parts: Any) -> dict[str, Any]:
    return {key: value for key, value in {**SEARCH, **parts}.items() if value is not None}


REFUSED = [
    ({"space": None}, "invalid-value", "space", "space is missing"),
    ({"space": "sops"}, "unknown-name", "space", "unknown space 'sops'; available: "),
    (
        {"space": "spos-tiny(repeats=(99999999,99999999,99999999))"},
        "unknown-name",
        "space",
        "unknown space",
    ),
    ({"space": "x" * 201}, "invalid-value", "space", "at most 200 characters"),
    ({"space": 3}, "invalid-value", "space", "valid string, not 3"),
    ({"space": "\udcff"}, "invalid-value", "space", ""),
    ({"device": "mars"}, "unknown-name", "device", "unknown table 'mars'; available: "),
    ({"device": "made-up.json"}, "unknown-name", "device", "unknown table"),
    ({"device": "../tables/made-up"}, "unknown-name", "device", "unknown table"),
    ({"device": "/etc/passwd"}, "unknown-name", "device", "unknown table"),
    ({"device": "broken"}, "invalid-value", "device", "not JSON"),
    ({"device": "lacking"}, "invalid-value", "device", "lacks the block 'xception"),
    ({"device": None}, "invalid-value", "device", "device is needed"),
    ({"finalists": {"count": 1}}, "invalid-value", "finalists.count", "greater than or equal to 2"),
    ({"finalists": {"data": "cats"}}, "unknown-name", "finalists.data", "unknown data set 'cats'"),
    (
        {"finalists": {"training": {"step": 3}}},
        "invalid-value",
        "finalists.training",
        "short trainings have no such setting; take one of steps",
    ),
    (
        {"finalists": {"training": {"rungs": 0}}},
        "invalid-value",
        "finalists.training",
        "training rungs must be a number from 1 on, not 0",
    ),
    (
        {"guide": {"name": "large"}},
        "unknown-name",
        "guide.name",
        "unknown predictor 'large'; available: broken, small",
    ),
    ({"guide": {"name": "../predictors/small"}}, "unknown-name", "guide.name", "unknown predictor"),
    ({"guide": {"name": "small.safetensors"}}, "unknown-name", "guide.name", "unknown predictor"),
    ({"guide": {"name": "broken"}}, "invalid-value", "guide.name", "is not a predictor's file"),
    ({"guide": {"kind": "oracle"}}, "invalid-value", "guide.kind", "'predictor'"),
    (
        {"space": "spos", "device": None, "constraints": None},
        "invalid-value",
        "guide.name",
        "a predictor of spos",
    ),
    (
        {"space": "spos", "guide": {"name": "small"}},
        "invalid-value",
        "guide.name",
        "scores spos-tiny, not spos",
    ),
    (
        {"constraints": {"latency": {"max": 1}}},
        "invalid-value",
        "constraints.latency",
        "latency_ms, prefill_ms",
    ),
    ({"constraints": {"latency_ms": 3}}, "invalid-value", "constraints.latency_ms", "not 3"),
    (
        {"constraints": {"latency_ms": {}}},
        "invalid-value",
        "constraints.latency_ms.max",
        "is missing",
    ),
    (
        {"constraints": {"latency_ms": {"max": -1}}},
        "invalid-value",
        "constraints.latency_ms.max",
        "than 0, not -1",
    ),
    (
        {"constraints": {"latency_ms": {"max": "1"}}},
        "invalid-value",
        "constraints.latency_ms.max",
        "not '1'",
    ),
    (
        {"constraints": {"flops": {"max": True}}},
        "invalid-value",
        "constraints.flops.max",
        "not True",
    ),
    (
        {"constraints": {"flops": {"min": 1}}},
        "invalid-value",
        "constraints.flops.max",
        "is missing",
    ),
    (
        {"strategy": {"name": "luck"}},
        "unknown-name",
        "strategy.name",
        "aging, annealing, channels, evolution, exhaustive, ",
    ),
    (
        {"strategy": {"options": {"luck": 1}}},
        "invalid-value",
        "strategy.options",
        "evolution has no option 'luck'",
    ),
    (
        {"strategy": {"options": {"population": "many"}}},
        "invalid-value",
        "strategy.options",
        "not 'many'",
    ),
    (
        {"strategy": {"options": {"population": 0}}},
        "invalid-value",
        "strategy.options",
        "positive, not 0",
    ),
    (
        {"strategy": {"options": {"generations": 10**9}}},
        "invalid-value",
        "strategy.options",
        "at most 1000000",
    ),
    ({"strategy": "spos"}, "invalid-value", "strategy", "not 'spos'"),
    ({"margin": -0.1}, "invalid-value", "margin", "not -0.1"),
    ({"count": 0}, "invalid-value", "count", "not 0"),
    ({"count": 1.5}, "invalid-value", "count", "not 1.5"),
    ({"count": True}, "invalid-value", "count", "not True"),
    ({"seed": -1}, "invalid-value", "seed", "not -1"),
    ({"seed": 2**63}, "invalid-value", "seed", str(2**63)),
    ({"sed": 1}, "invalid-value", "sed", "unknown field 'sed'; available: space, device"),
]


@pytest.mark.parametrize(("parts", "slug", "field", "said"), REFUSED)
def test_invalid_values_are_named(
    app: APIFlask,
    http: FlaskClient,
    parts: dict[str, Any],
    slug: str,
    field: str,
    said: str,
    problem: Any,
) -> None:
    body = problem(http.post("/search", json=changed(**parts)), 422, slug, field)
    assert said in body["detail"]
    assert service_of(app).store.jobs.list(limit=1) == ([], 0)


def test_an_infeasible_latency_reports_the_least_one(
    app: APIFlask, http: FlaskClient, world: Any, problem: Any
) -> None:
    answer = http.post("/search", json=changed(constraints={"latency_ms": {"max": 0.01}}))
    body = problem(answer, 422, "infeasible", "constraints.latency_ms")
    model = LookupTable.read(world.tables / "made-up.json").cost_model(spaces.get("spos-tiny"))
    least = model.bounds()[0].value
    assert (
        body["detail"]
        == f"the fastest network of spos-tiny takes {least:.4g} ms on made-up; the limit is"
        " 0.01"
    )
    assert body["least"] == pytest.approx(least + 1.64 * model.sigma)
    assert (body["metric"], body["maximum"]) == ("latency_ms", 0.01)
    for margin, status in ((0, 202), (1.64, 422)):
        within_margin = changed(
            constraints={"latency_ms": {"max": least + 0.5 * model.sigma}}, margin=margin
        )
        assert http.post("/search", json=within_margin).status_code == status


def test_infeasible_counts_are_reported_under_the_requested_name(
    http: FlaskClient, problem: Any
) -> None:
    least = spaces.get("spos-tiny").macs(spaces.get("spos-tiny").architecture([3] * 6))
    body = problem(
        http.post("/search", json=changed(constraints={"flops": {"max": 10}})),
        422,
        "infeasible",
        "constraints.flops",
    )
    assert 10 < body["least"] <= least


def test_limits_that_exclude_each_other_are_refused(http: FlaskClient, problem: Any) -> None:
    space = spaces.get("spos-tiny")
    codes = next(space.enumerate_codes())
    macs, params = space.macs(codes), space.params(codes)
    clash = {"macs": {"max": float(macs.min())}, "params": {"max": float(params.min())}}
    possible = bool(((macs <= macs.min()) & (params <= params.min())).any())
    answer = http.post("/search", json=changed(constraints=clash))
    if possible:
        assert answer.status_code == 202
    else:
        problem(answer, 422, "infeasible", "constraints")


def test_all_invalid_fields_are_reported_at_once(http: FlaskClient, problem: Any) -> None:
    body = problem(
        http.post("/search", json=changed(count=0, seed=-1)), 422, "invalid-value", "count"
    )
    assert [fault["field"] for fault in body["errors"]] == ["count", "seed"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"not json",
        b'{"space": NaN}',
        b"[" * 50_000,
        b'{"count": ' + b"9" * 5000 + b"}",
        b"\xff\xfe{",
    ],
)
def test_malformed_json_is_refused(http: FlaskClient, content: bytes, problem: Any) -> None:
    problem(http.post("/search", data=content, content_type="application/json"), 400, "bad-request")


@pytest.mark.parametrize("content", [b"[]", b"null", b"3", b'"spos"'])
def test_json_other_than_an_object_is_refused(
    http: FlaskClient, content: bytes, problem: Any
) -> None:
    answer = http.post("/search", data=content, content_type="application/json")
    problem(answer, 422, "invalid-value", "space" if content == b"null" else None)


def test_infinite_numbers_are_refused(http: FlaskClient, problem: Any) -> None:
    text = (
        b'{"space": "spos-tiny", "device": "made-up", "constraints": {"latency_ms": {"max":'
        b" 1e999}}}"
    )
    answer = http.post("/search", data=text, content_type="application/json")
    problem(answer, 422, "invalid-value", "constraints.latency_ms.max")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_content_types_are_refused(
    http: FlaskClient, content_type: str, problem: Any
) -> None:
    problem(
        http.post("/search", data=json.dumps(SEARCH), content_type=content_type),
        415,
        "unsupported-media-type",
    )


def test_large_bodies_are_refused(app: APIFlask, http: FlaskClient, problem: Any) -> None:
    content = json.dumps({**SEARCH, "padding": "x" * service_of(app).settings.max_body})
    answer = http.post("/search", data=content, content_type="application/json")
    problem(answer, 413, "request-entity-too-large")


@pytest.mark.parametrize("route", ["GET /nowhere", "POST /nowhere", "GET /search/", "GET /docs"])
def test_unknown_paths_are_not_found(http: FlaskClient, route: str, problem: Any) -> None:
    method, path = route.split()
    problem(http.open(path, method=method), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/search"), ("POST", "/healthz"), ("PATCH", "/search/x")]
)
def test_methods_that_are_not_allowed_are_refused(
    http: FlaskClient, method: str, path: str, problem: Any
) -> None:
    answer = http.open(path, method=method)
    problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("job_id", ["nowhere", "%2e%2e%2fjobs", "0" * 32, "x" * 5000])
def test_unknown_searches_are_not_found(http: FlaskClient, method: str, job_id: str) -> None:
    answer = http.open(f"/search/{job_id}", method=method)
    body = json.loads(answer.data)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert len(body["detail"]) < 300


def test_other_hosts_are_refused(http: FlaskClient, problem: Any) -> None:
    problem(http.get("/healthz", headers={"Host": "evil.example"}), 400, "bad-request")
    assert http.get("/healthz", headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("page=2", "page"),
    ],
)
def test_invalid_pages_are_named(http: FlaskClient, query: str, field: str, problem: Any) -> None:
    problem(http.get(f"/search?{query}"), 422, "invalid-value", field)


def test_internal_errors_are_problems_without_details(
    app: APIFlask, http: FlaskClient, monkeypatch: pytest.MonkeyPatch, problem: Any
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret path")

    monkeypatch.setattr(service_of(app).store.jobs, "create", broken)
    body = problem(http.post("/search", json=SEARCH), 500, "internal")
    assert "secret" not in json.dumps(body)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)

FIELDS = ["space", "device", "constraints", "strategy", "guide", "margin", "count", "seed"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.dictionaries(
        st.sampled_from(FIELDS) | st.text(max_size=5), JSON, min_size=1, max_size=3
    )
)
def test_no_body_causes_an_internal_error(http: FlaskClient, parts: dict[str, Any]) -> None:
    answer = http.post("/search", json={**SEARCH, **parts})
    assert answer.status_code in (202, 422)
    assert answer.content_type == (
        "application/json" if answer.status_code == 202 else "application/problem+json"
    )


def test_settings_limit_the_size_of_bodies(world: Any, tmp_path: Path, problem: Any) -> None:
    limited = Settings(tmp_path, (world.tables,), (world.predictors,), max_body=50)
    app = create_app(limited)
    problem(app.test_client().post("/search", json=SEARCH), 413, "request-entity-too-large")
    service_of(app).stop()
