"""The same request again: keys of requests, and their limits."""

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from service.context import service_of
from tests.service.api.conftest import SEARCH


def test_requests_with_the_same_key_get_the_same_job(app: APIFlask, http: FlaskClient) -> None:
    key = {"Idempotency-Key": "a-key"}
    first, again = (http.post("/search", json=SEARCH, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json == again.json
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert service_of(app).store.jobs.list()[1] == 1


def test_a_key_with_another_body_is_refused(http: FlaskClient, problem: Any) -> None:
    key = {"Idempotency-Key": "a-key"}
    http.post("/search", json=SEARCH, headers=key)
    problem(
        http.post("/search", json={**SEARCH, "seed": 1}, headers=key),
        422,
        "idempotency-conflict",
        "Idempotency-Key",
    )


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "\xe9"])
def test_malformed_keys_are_refused(http: FlaskClient, problem: Any, key: str) -> None:
    problem(
        http.post("/search", json=SEARCH, headers={"Idempotency-Key": key}),
        422,
        "invalid-value",
        "Idempotency-Key",
    )


def test_a_refused_request_does_not_use_up_its_key(http: FlaskClient) -> None:
    key = {"Idempotency-Key": "a-key"}
    assert http.post("/search", json={**SEARCH, "space": "no"}, headers=key).status_code == 422
    assert http.post("/search", json=SEARCH, headers=key).status_code == 202
