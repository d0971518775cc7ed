"""Following jobs: idempotent requests, waiting, events, and results in every format."""

import csv
import io
import json
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.admission.tasks import SearchTask
from service.api import events
from service.app import create_app
from service.context import service_of
from service.settings import Settings
from tables.lookup_table import LookupTable

SEARCH = {
    "space": "spos-tiny",
    "device": "made-up",
    "constraints": {"latency_ms": {"max": 1.0}},
    "count": 3,
}


@pytest.fixture
def found(app: APIFlask, http: FlaskClient) -> tuple[str, dict[str, Any]]:
    """A search that is done: its id and its full result."""
    from oneshot.search.loop import run_search
    from service.kinds.search import problem_of

    service = service_of(app)
    job_id = http.post("/search", json=SEARCH).json["id"]
    job = service.store.leases.claim("e")
    assert job is not None
    task = SearchTask.from_dict(job.task)
    result = run_search(problem_of(task), "random", options={"evaluations": 30}).to_dict(task.count)
    service.store.jobs.report(job_id, 1, {"evaluated": 10, "planned": 30, "best": 0.5})
    artifact = service.artifacts.write(job_id, 1, "result.json", json.dumps(result).encode())
    service.store.jobs.finish(
        job_id, 1, {key: value for key, value in result.items() if key != "candidates"}, artifact
    )
    return job_id, result


# The same request again


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


# Waiting


def test_waiting_requests_are_limited(world: Any, tmp_path: Path, problem: Any) -> None:
    app = create_app(Settings(tmp_path, (world.tables,), (world.predictors,), waiting=1))
    service = service_of(app)
    service.waiting.acquire()
    answer = app.test_client().post("/search", json=SEARCH, headers={"Prefer": "wait=1"})
    problem(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert service.store.jobs.list()[1] == 0  # what is to be tried again has left nothing
    assert app.test_client().post("/search", json=SEARCH).status_code == 202
    service.waiting.release()
    for _ in range(2):
        assert (
            app.test_client().post("/search", json=SEARCH, headers={"Prefer": "wait=1"}).status_code
            == 202
        )
    assert service.waiting.num_active == 0
    service.stop()


def test_a_long_wait_is_shortened_to_the_limit(app: APIFlask, http: FlaskClient) -> None:
    threading.Timer(0.2, service_of(app).stopping.set).start()
    answer = http.post("/search", json=SEARCH, headers={"Prefer": "wait=3600"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=30")


def test_reading_a_job_waits_for_its_end(app: APIFlask, http: FlaskClient) -> None:
    store = service_of(app).store
    job_id = http.post("/search", json=SEARCH).json["id"]
    threading.Timer(0.1, lambda: store.jobs.cancel(job_id)).start()
    assert http.get(f"/search/{job_id}", headers={"Prefer": "wait=20"}).json["state"] == "cancelled"


# Events


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
    http: FlaskClient, found: tuple[str, dict[str, Any]]
) -> None:
    answer = http.get(f"/search/{found[0]}/events")
    assert answer.mimetype == "text/event-stream"
    everything = told(answer.text)
    assert [kind for _, kind, _ in everything] == ["state", "state", "progress", "result", "state"]
    assert [number for number, _, _ in everything] == [1, 2, 3, 4, 5]
    assert everything[2][2]["best"] == 0.5
    assert everything[3][2]["best"] == found[1]["best"]
    assert everything[4][2]["state"] == "done"
    assert told(http.get(f"/jobs/{found[0]}/events").text) == everything
    for place in ({"headers": {"Last-Event-ID": "3"}}, {"query_string": {"after": 3}}):
        assert told(http.get(f"/search/{found[0]}/events", **place).text) == everything[3:]
    # A browser that asks again after the end is told to stop asking.
    assert http.get(f"/search/{found[0]}/events", headers={"Last-Event-ID": "5"}).status_code == 204


@pytest.mark.parametrize(
    "given",
    ["x", "-1", "1.5", "9" * 30, "\u0661", "0" + "9" * 29, "0" * 20 + "9" * 20, "9" * 5000],
)
def test_a_malformed_last_event_id_is_named(
    http: FlaskClient, problem: Any, found: tuple[str, dict[str, Any]], given: str
) -> None:
    answer = http.get(
        f"/search/{found[0]}/events", headers={"Last-Event-ID": given.encode().decode("latin-1")}
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
    http: FlaskClient, found: tuple[str, dict[str, Any]], number: str
) -> None:
    path = f"/search/{found[0]}/events"
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


def test_wait_is_refused_if_the_token_was_revoked_meanwhile(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    service = service_of(app)
    headers = {"Authorization": f"Bearer {service.store.tokens.create('ada')}"}
    job_id = http.post("/search", json=SEARCH, headers=headers).json["id"]
    timer = threading.Timer(0.2, service.store.tokens.revoke, ("ada",))
    timer.start()
    answer = http.get(f"/search/{job_id}", headers={**headers, "Prefer": "wait=1"})
    timer.join()
    problem(answer, 401, "unauthorized", "Authorization")


def test_streams_are_limited(app: APIFlask, http: FlaskClient, problem: Any) -> None:
    job_id = http.post("/search", json=SEARCH).json["id"]
    streams = service_of(app).streams
    for _ in range(streams.limit):
        streams.acquire()
    answer = http.get(f"/search/{job_id}/events")
    problem(answer, 503, "busy")
    assert "Retry-After" in answer.headers
    assert http.get(f"/search/{job_id}").status_code == 200


# What was found


def test_the_front_is_served_as_csv(http: FlaskClient, found: tuple[str, dict[str, Any]]) -> None:
    rows = list(csv.DictReader(io.StringIO(http.get(f"/search/{found[0]}/front.csv").text)))
    assert len(rows) == len(found[1]["front"])
    for row, answer_costs in zip(rows, found[1]["front"], strict=True):
        assert float(row["score"]) == answer_costs["score"]
        assert float(row["latency_ms"]) == answer_costs["costs"]["latency_ms"]
        assert {key: row[key] for key in answer_costs["architecture"]["choices"]} == answer_costs[
            "architecture"
        ]["choices"]


def test_the_front_is_served_as_pictures(
    http: FlaskClient, found: tuple[str, dict[str, Any]]
) -> None:
    png = http.get(f"/search/{found[0]}/front.png")
    assert (png.mimetype, png.data[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    svg = http.get(f"/search/{found[0]}/front.svg")
    assert svg.mimetype == "image/svg+xml"
    assert "script" not in svg.headers["Content-Security-Policy"]
    texts = "".join(ET.fromstring(svg.text).itertext())
    assert "latency_ms (ms)" in texts
    assert "limit" in texts
    assert http.get(f"/search/{found[0]}/front.svg").data == svg.data


def test_an_unfinished_search_has_no_front(http: FlaskClient, problem: Any) -> None:
    job_id = http.post("/search", json=SEARCH).json["id"]
    for path in ("front.svg", "front.png", "front.csv", "architectures/0"):
        assert (
            problem(http.get(f"/search/{job_id}/{path}"), 409, "conflict", "id")["state"]
            == "queued"
        )


def test_architectures_are_served_in_every_format(
    http: FlaskClient, found: tuple[str, dict[str, Any]]
) -> None:
    from spaces import formats

    best = spaces.Architecture.from_dict(found[1]["best"][0]["architecture"])
    here = f"/search/{found[0]}/architectures"
    assert spaces.Architecture.from_dict(http.get(f"{here}/0").json) == best
    for name in ("pathfit", "nni", "nni-3.0"):
        text = http.get(f"{here}/0?format={name}").text
        assert formats.read(text, name, space="spos-tiny") == best
    for place in range(len(found[1]["front"])):
        assert http.get(f"{here}/{place}").json == found[1]["front"][place]["architecture"]
    # Among all candidates, also those that are not given in full.
    codes = found[1]["candidates"]["codes"]
    for place in (0, 2, 3, len(codes) - 1):
        given = spaces.Architecture.from_dict(http.get(f"{here}/{place}?of=candidates").json)
        assert given == spaces.get("spos-tiny").architecture(codes[place])


@pytest.mark.parametrize(
    ("path", "slug", "field"),
    [
        ("999", "invalid-value", "place"),
        ("999?of=candidates", "invalid-value", "place"),
        ("0?format=word", "unknown-name", "format"),
        ("0?format=../x", "unknown-name", "format"),
        ("0?format=darts", "invalid-value", "format"),
        ("0?of=best", "invalid-value", "of"),
    ],
)
def test_unavailable_architectures_are_problems(
    http: FlaskClient,
    problem: Any,
    found: tuple[str, dict[str, Any]],
    path: str,
    slug: str,
    field: str,
) -> None:
    problem(http.get(f"/search/{found[0]}/architectures/{path}"), 422, slug, field)


def test_a_network_is_served_as_a_drawing(
    http: FlaskClient, found: tuple[str, dict[str, Any]]
) -> None:
    answer = http.get(f"/search/{found[0]}/architectures/0?format=svg")
    assert answer.mimetype == "image/svg+xml"
    assert ET.fromstring(answer.text).tag.endswith("svg")


def test_block_latencies_add_up_to_that_of_the_network(
    http: FlaskClient, world: Any, found: tuple[str, dict[str, Any]]
) -> None:
    answer_costs = http.get(f"/search/{found[0]}/architectures/0?format=blocks").json
    best = spaces.Architecture.from_dict(found[1]["best"][0]["architecture"])
    table = LookupTable.read(world.tables / "made-up.json")
    assert [block["key"] for block in answer_costs["blocks"]] == [
        block.key for block in spaces.get("spos-tiny").blocks(best)
    ]
    assert answer_costs["latency_ms"] == pytest.approx(found[1]["best"][0]["costs"]["latency_ms"])
    assert (
        answer_costs["macs"]
        == sum(block["macs"] for block in answer_costs["blocks"])
        == spaces.get("spos-tiny").macs(best)
    )
    latencies = [table.blocks[block["key"]].latency_ms for block in answer_costs["blocks"]]
    assert [block["latency_ms"] for block in answer_costs["blocks"]] == latencies
    assert [block["share"] for block in answer_costs["blocks"]] == [
        latency / answer_costs["latency_ms"] for latency in latencies
    ]


@pytest.mark.slow
def test_a_network_is_served_as_onnx(
    http: FlaskClient, found: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    import torch

    from oneshot.export.onnx_network import OnnxNetwork

    answer = http.get(f"/search/{found[0]}/architectures/0?format=onnx")
    assert (answer.status_code, answer.mimetype) == (200, "application/onnx")
    (tmp_path / "n.onnx").write_bytes(answer.data)
    network = OnnxNetwork(tmp_path / "n.onnx")
    best = spaces.Architecture.from_dict(found[1]["best"][0]["architecture"])
    space = spaces.get("spos-tiny")
    images = torch.randn(3, *space.input_shape, generator=torch.Generator().manual_seed(0))
    expected = space.network(best).eval()(images)
    torch.testing.assert_close(network(images), expected, rtol=1e-3, atol=1e-4)
    assert spaces.Architecture.from_json(network.metadata["architecture"]) == best


def test_jobs_of_every_kind_are_listed_and_filtered(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    store = service_of(app).store
    first = http.post("/search", json=SEARCH).json["id"]
    second = http.post(
        "/retrain", json={"architecture": spaces.get("spos-tiny").architecture([0] * 6).to_dict()}
    ).json["id"]
    store.jobs.cancel(first)
    listed = {
        query: [job["id"] for job in http.get(f"/jobs?{query}").json["jobs"]]
        for query in (
            "",
            "kind=search",
            "kind=retrain",
            "state=queued",
            "state=cancelled",
            "space=spos-tiny",
            "space=spos",
            "limit=1",
        )
    }
    assert listed == {
        "": [second, first],
        "kind=search": [first],
        "kind=retrain": [second],
        "state=queued": [second],
        "state=cancelled": [first],
        "space=spos-tiny": [second, first],
        "space=spos": [],
        "limit=1": [second],
    }
    assert [job["id"] for job in http.get("/search?state=cancelled").json["searches"]] == [first]
    for query, field in (
        ("kind=x", "kind"),
        ("state=x", "state"),
        ("limit=1_0", "limit"),
        ("colour=red", "colour"),
    ):
        problem(http.get(f"/jobs?{query}"), 422, "invalid-value", field)
    problem(http.get(f"/search/{second}"), 404, "unknown-search", "id")
