"""Integers of headers, queries, paths and options have bounds: no number fails the service."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

SEARCH = {"space": "spos-tiny", "device": "made-up"}
NUMBERS = [
    "9" * 30,
    "0" + "9" * 29,
    "0" * 20 + "9" * 20,
    # More digits than Python reads.
    "9" * 5000,
    "-" + "9" * 30,
    str(1 << 31),
    str(1 << 63),
    str(1 << 64),
]


@pytest.fixture
def job_id(http: FlaskClient) -> str:
    answer = http.post("/search", json=SEARCH)
    return str(http.delete(f"/search/{answer.json['id']}").json["id"])


@pytest.mark.parametrize("name", ["Prefer", "Content-Length"])
def test_numbers_in_headers_fail_no_answer(http: FlaskClient, job_id: str, name: str) -> None:
    for number in NUMBERS:
        headers = {name: f"wait={number}" if name == "Prefer" else number}
        for path in (f"/search/{job_id}", "/jobs"):
            assert http.get(path, headers=headers).status_code < 500


def test_ranges_of_static_files_fail_no_answer(http: FlaskClient) -> None:
    for number in NUMBERS:
        with http.get("/static/js/app.js", headers={"Range": f"bytes=0-{number}"}) as answer:
            assert answer.status_code < 500


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/search", "limit"),
        ("/search", "offset"),
        ("/jobs", "limit"),
        ("/jobs", "offset"),
        ("/search/{}/events", "after"),
        ("/search/{}", "candidates"),
    ],
)
def test_numbers_in_queries_are_refused(
    http: FlaskClient, job_id: str, problem: Any, path: str, field: str
) -> None:
    for number in NUMBERS:
        answer = http.get(path.format(job_id), query_string={field: number})
        problem(answer, 422, "invalid-value", field)


def test_numbers_in_paths_are_not_found(http: FlaskClient, job_id: str) -> None:
    paths = ("/search/{}", "/jobs/{}/events", "/spaces/{}", "/tables/{}/bounds?space=spos-tiny")
    for number in NUMBERS:
        for path in paths:
            assert http.get(path.format(number)).status_code == 404
        answer = http.get(f"/search/{job_id}/architectures/{number}")
        assert answer.status_code in (404, 409, 422), answer.text


def test_numbers_in_options_of_strategies_fail_no_answer(http: FlaskClient) -> None:
    for strategy in http.get("/strategies").json["items"]:
        for option in strategy["options"]:
            for number in (1 << 31, 1 << 64, 10**400):
                choice = {"name": strategy["name"], "options": {option: number}}
                body = json.dumps({**SEARCH, "strategy": choice})
                answer = http.post("/search", data=body, content_type="application/json")
                assert answer.status_code in (202, 422), (choice, answer.text)
