"""Uploads of tables and evaluations, which are immutable versions."""

import json
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.admission.tasks import SearchTask
from service.app import create_app
from service.context import service_of
from service.settings import Settings
from tables.evaluation import read
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"


@pytest.fixture
def table(world: Any) -> dict[str, Any]:
    """A table to upload."""
    return {**LookupTable.read(world.tables / "made-up.json").to_dict(), "name": "phone"}


def test_a_table_is_uploaded_and_used(
    app: APIFlask, http: FlaskClient, table: dict[str, Any]
) -> None:
    answer = http.post("/tables", json=table)
    assert (answer.status_code, answer.json["version"], answer.json["name"]) == (201, 1, "phone")
    again = http.post("/tables", json=table)
    assert (again.status_code, again.json) == (200, answer.json)
    assert "phone" in {item["name"] for item in http.get("/tables").json["items"]}
    first = http.post(
        "/search",
        json={"space": SPACE, "device": "phone", "constraints": {"latency_ms": {"max": 1}}},
    )
    slower = {
        key: {**cost, "latency_ms": 2 * cost["latency_ms"]} for key, cost in table["blocks"].items()
    }
    newer = http.post("/tables", json={**table, "blocks": slower})
    assert (newer.status_code, newer.json["version"]) == (201, 2)
    # What was accepted with the first version keeps it.
    task = SearchTask.from_dict(service_of(app).store.jobs.get(first.json["id"]).task)
    assert task.table is not None
    assert task.table.sha256 == answer.json["sha256"]
    assert LookupTable.read(task.table.checked()).to_dict() == table
    last = http.post("/search", json={"space": SPACE, "device": "phone"})
    assert (
        service_of(app).store.jobs.get(last.json["id"]).task["table"]["sha256"]
        == newer.json["sha256"]
    )


def test_the_profiler_uploads_to_the_service(app: APIFlask, world: Any, tmp_path: Path) -> None:
    import threading

    from werkzeug.serving import make_server

    from profiler.errors import UploadFailed
    from profiler.upload import upload

    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = LookupTable.read(world.tables / "made-up.json")
        fields = {name: getattr(found, name) for name in found.__dataclass_fields__}
        upload(LookupTable(**{**fields, "name": "tablet"}), f"http://127.0.0.1:{server.port}")
        with pytest.raises(UploadFailed, match="409"):
            upload(LookupTable(**{**fields, "name": "made-up"}), f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert service_of(app).catalog.table("tablet")[0].name == "tablet"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "../made-up"}, "name"),
        ({"name": ".hidden"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 3}, "name"),
        ({"blocks": {"mbconv": 3}}, None),
        ({"format": "pickle"}, None),
        ({"version": 99}, None),
        ({"networks": [{"codes": "x"}]}, None),
        ({"seed": None}, None),
    ],
)
def test_malformed_tables_are_refused(
    http: FlaskClient,
    problem: Any,
    table: dict[str, Any],
    change: dict[str, Any],
    field: str | None,
) -> None:
    problem(http.post("/tables", json={**table, **change}), 422, "invalid-value", field)
    assert "phone" not in {item["name"] for item in http.get("/tables").json["items"]}


def test_an_upload_cannot_replace_a_table_of_the_service(
    http: FlaskClient, problem: Any, table: dict[str, Any]
) -> None:
    problem(http.post("/tables", json={**table, "name": "made-up"}), 409, "name-taken", "name")


def test_uploads_may_be_larger_than_other_bodies(
    world: Any, tmp_path: Path, problem: Any, table: dict[str, Any]
) -> None:
    size = len(json.dumps(table))
    app = create_app(
        Settings(tmp_path, (world.tables,), (world.predictors,), max_body=100, max_upload=2 * size)
    )
    http = app.test_client()
    assert http.post("/tables", json=table).status_code == 201
    problem(
        http.post("/tables", json={**table, "command": "x" * 2 * size}),
        413,
        "request-entity-too-large",
    )
    problem(http.post("/predict", json={"space": "x" * 200}), 413, "request-entity-too-large")
    service_of(app).stop()


def test_valid_evaluations_are_stored_and_others_refused(
    app: APIFlask, http: FlaskClient, problem: Any, evaluations: Any
) -> None:
    body = evaluations(4)
    answer = http.post("/evaluations", json=body)
    assert answer.status_code == 201
    stored = read(service_of(app).catalog.evaluations("measured").path, SPACE)
    assert [found.architecture.to_dict() for found in stored] == [
        one["architecture"] for one in body["evaluations"]
    ]
    other = {
        "architecture": spaces.get("spos").architecture([0] * 20).to_dict(),
        "metrics": {"top1": 1.0},
    }
    mixed = {**body, "evaluations": [*body["evaluations"], other]}
    problem(
        http.post("/evaluations", json=mixed), 422, "invalid-value", "evaluations.4.architecture"
    )
    huge = {
        "architecture": {"space": "spos(repeats=(999999,9,9,9))", "choices": {}},
        "metrics": {"top1": 1.0},
    }
    body["evaluations"] = [huge]
    problem(http.post("/evaluations", json=body), 422, "unknown-name", "evaluations.0.architecture")
    body["evaluations"] = []
    problem(http.post("/evaluations", json=body), 422, "invalid-value", "evaluations")
