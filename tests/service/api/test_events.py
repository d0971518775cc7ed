"""Streams of a job's events."""

import json
import time
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from service.api import events
from service.context import service_of
from tests.service.api.conftest import SEARCH


def told(text: str) -> list[tuple[int, str, Any]]:
    """The events of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")
        )
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_a_stream_contains_every_event_and_ends(
    http: FlaskClient, finished_search: tuple[str, dict[str, Any]]
) -> None:
    answer = http.get(f"/search/{finished_search[0]}/events")
    assert answer.mimetype == "text/event-stream"
    everything = told(answer.text)
    assert [kind for _, kind, _ in everything] == ["state", "state", "progress", "result", "state"]
    assert [number for number, _, _ in everything] == [1, 2, 3, 4, 5]
    assert everything[2][2]["best"] == 0.5
    assert everything[3][2]["best"] == finished_search[1]["best"]
    assert everything[4][2]["state"] == "done"
    assert told(http.get(f"/jobs/{finished_search[0]}/events").text) == everything
    for place in ({"headers": {"Last-Event-ID": "3"}}, {"query_string": {"after": 3}}):
        assert (
            told(http.get(f"/search/{finished_search[0]}/events", **place).text) == everything[3:]
        )
    # A browser that asks again after the end is told to stop asking.
    assert (
        http.get(f"/search/{finished_search[0]}/events", headers={"Last-Event-ID": "5"}).status_code
        == 204
    )


@pytest.mark.parametrize(
    "given",
    ["x", "-1", "1.5", "9" * 30, "\u0661", "0" + "9" * 29, "0" * 20 + "9" * 20, "9" * 5000],
)
def test_a_malformed_last_event_id_is_named(
    http: FlaskClient, problem: Any, finished_search: tuple[str, dict[str, Any]], given: str
) -> None:
    answer = http.get(
        f"/search/{finished_search[0]}/events",
        headers={"Last-Event-ID": given.encode().decode("latin-1")},
    )
    problem(answer, 422, "invalid-value", "Last-Event-ID")


def test_a_stream_stays_alive_until_the_service_stops(
    app: APIFlask, http: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE", 0.05)
    service = service_of(app)
    job_id = http.post("/search", json=SEARCH).json["id"]
    answer = http.get(f"/search/{job_id}/events", buffered=False)
    lines = iter(answer.response)
    assert next(lines) == b"retry: 1000\n\n"
    assert b'"state": "queued"' in next(lines)
    assert next(lines) == b": keep-alive\n\n"
    service.store.leases.claim("e")
    assert any(b'"state": "running"' in line for line in lines)
    assert service.streams.num_active == 1
    service.stopping.set()
    assert list(lines) in ([], [b": keep-alive\n\n"])
    answer.close()
    assert service.streams.num_active == 0


@pytest.mark.parametrize("number", ["0" * 40 + "3", "0003", "0" * 5000 + "3"])
def test_leading_zeros_of_a_last_event_id_count_for_nothing(
    http: FlaskClient, finished_search: tuple[str, dict[str, Any]], number: str
) -> None:
    path = f"/search/{finished_search[0]}/events"
    expected = told(http.get(path, query_string={"after": 3}).text)
    assert told(http.get(path, headers={"Last-Event-ID": number}).text) == expected


@pytest.mark.parametrize("by_cookie", [False, True], ids=["token", "session"])
@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
def test_stream_ends_when_its_token_is_revoked(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch, by_cookie: bool, busy: bool
) -> None:
    assert events.ACCESS_INTERVAL <= 5
    monkeypatch.setattr(events, "ACCESS_INTERVAL", 0.1)
    service = service_of(app)
    http = app.test_client()
    secret = service.store.tokens.create("ada")
    headers = {} if by_cookie else {"Authorization": f"Bearer {secret}"}
    if by_cookie:
        http.post("/session", json={"token": secret})
    origin = {"Origin": "http://localhost", **headers}
    job_id = http.post("/search", json=SEARCH, headers=origin).json["id"]
    service.store.leases.claim("e")

    answer = http.get(f"/search/{job_id}/events", headers=headers, buffered=False)
    lines = iter(answer.response)
    assert [next(lines)[:6] for _ in range(3)] == [b"retry:", b"id: 1\n", b"id: 2\n"]
    service.store.tokens.revoke("ada")
    time.sleep(0.15)
    if busy:
        service.store.jobs.report(job_id, 1, {"evaluated": 1, "planned": 2, "best": 0.0})
    assert list(lines) == []
    answer.close()


def test_stream_without_a_token_ends_when_the_first_one_is_created(
    app: APIFlask, http: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "ACCESS_INTERVAL", 0.05)
    job_id = http.post("/search", json=SEARCH).json["id"]
    answer = http.get(f"/search/{job_id}/events", buffered=False)
    lines = iter(answer.response)
    assert [next(lines)[:6] for _ in range(2)] == [b"retry:", b"id: 1\n"]
    service_of(app).store.tokens.create("ada")
    assert list(lines) == []
    answer.close()


def test_stream_goes_on_while_its_token_is_valid(
    app: APIFlask, http: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "ACCESS_INTERVAL", 0.02)
    monkeypatch.setattr(events, "KEEP_ALIVE", 0.1)
    headers = {"Authorization": f"Bearer {service_of(app).store.tokens.create('ada')}"}
    job_id = http.post("/search", json=SEARCH, headers=headers).json["id"]
    answer = http.get(f"/search/{job_id}/events", headers=headers, buffered=False)
    lines = iter(answer.response)
    expected = [b"retry: 1000\n\n", b": keep-alive\n\n", b": keep-alive\n\n"]
    received = [next(lines) for _ in range(4)]
    assert [line for line in received if not line.startswith(b"id: 1")] == expected
    answer.close()


def test_streams_are_limited(app: APIFlask, http: FlaskClient, problem: Any) -> None:
    job_id = http.post("/search", json=SEARCH).json["id"]
    streams = service_of(app).streams
    for _ in range(streams.limit):
        streams.acquire()
    answer = http.get(f"/search/{job_id}/events")
    problem(answer, 503, "busy")
    assert "Retry-After" in answer.headers
    assert http.get(f"/search/{job_id}").status_code == 200
