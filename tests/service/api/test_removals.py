"""Removing uploads, and the quota of their bytes."""

import os
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from flask.testing import FlaskClient

from service.commands.gc import gc
from service.context import service_of
from tables.lookup_table import LookupTable


@pytest.fixture
def table(world: Any) -> Any:
    """The JSON object of a table."""
    return LookupTable.read(next(world.tables.glob("*.json"))).to_dict()


def names(http: FlaskClient, **headers: Any) -> set[str]:
    return {item["name"] for item in http.get("/tables", **headers).get_json()["items"]}


def test_a_removed_table_is_listed_and_searched_no_more(http: FlaskClient, table: Any) -> None:
    for created in ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"):
        http.post("/tables", json={**table, "name": "phone", "created": created})

    answer = http.delete("/tables/phone")

    assert answer.get_json() == {"kind": "table", "name": "phone", "versions": 2}
    assert "phone" not in names(http)
    body = {"space": table["space"], "device": "phone", "constraints": {"latency_ms": {"max": 9}}}
    assert http.post("/search", json=body).status_code == 422
    assert http.delete("/tables/phone").status_code == 404
    assert http.post("/tables", json={**table, "name": "phone"}).status_code == 201
    assert "phone" in names(http)


def test_files_of_folders_and_of_others_are_not_removed(
    app: APIFlask, http: FlaskClient, table: Any, problem: Any
) -> None:
    problem(http.delete(f"/tables/{table['name']}"), 409, "not-an-upload", "name")
    tokens = service_of(app).store.tokens
    secrets = {
        name: tokens.create(name, administrator=name == "root") for name in ("ada", "bob", "root")
    }
    headers = {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
    http.post("/tables", json={**table, "name": "phone"}, headers=headers["ada"])
    shared = {**table, "name": "ours", "shared": True}
    http.post("/tables", json=shared, headers=headers["root"])

    problem(http.delete("/tables/ada/phone", headers=headers["bob"]), 404, "unknown-table", "name")
    problem(http.delete("/tables/ours", headers=headers["bob"]), 403, "not-the-owner", "name")
    assert http.delete("/tables/phone", headers=headers["ada"]).get_json()["owner"] == "ada"
    assert http.delete("/tables/ours", headers=headers["root"]).get_json()["owner"] == "shared"


def test_uploads_beyond_the_quota_of_bytes_are_refused(
    app: APIFlask, http: FlaskClient, table: Any, problem: Any
) -> None:
    size = len(LookupTable.from_dict(table).to_json().encode())
    secret = service_of(app).store.tokens.create("ada", max_bytes=2 * size)
    headers = {"Authorization": f"Bearer {secret}"}

    def upload(name: str) -> Any:
        return http.post("/tables", json={**table, "name": name}, headers=headers)

    assert upload("first").status_code == 201
    assert upload("first").status_code == 200
    refused = problem(upload("a-much-longer-name" * 8), 403, "storage-exceeded")
    assert refused["max_bytes"] == 2 * size
    http.delete("/tables/first", headers=headers)
    assert upload("a-much-longer-name" * 8).status_code == 201


def test_uploads_of_earlier_versions_count_in_the_quota(
    app: APIFlask, http: FlaskClient, table: Any, problem: Any
) -> None:
    service = service_of(app)
    content = LookupTable.from_dict(table).to_json().encode()
    secret = service.store.tokens.create("ada", max_bytes=2 * len(content) - 10)
    ada = service.store.tokens.list()[0].id
    # As earlier versions stored them: without sizes, and one whose content is gone.
    for name, artifact in {"old": service.artifacts.keep(content)[0], "gone": "uploads/0"}.items():
        service.store.files.add("table", name, "0", artifact, ada, ada)

    headers = {"Authorization": f"Bearer {secret}"}
    answer = http.post("/tables", json={**table, "name": "new"}, headers=headers)

    refused = problem(answer, 403, "storage-exceeded")
    assert f"have {len(content)};" in refused["detail"]
    assert service.store.files.without_size() == []
    http.delete("/tables/old", headers=headers)
    again = http.post("/tables", json={**table, "name": "new"}, headers=headers)
    assert again.status_code == 201


def test_gc_removes_contents_that_no_name_and_no_job_needs(
    app: APIFlask, http: FlaskClient, table: Any
) -> None:
    service = service_of(app)
    uploaded = {}
    for name in ("replaced", "removed", "needed", "newest"):
        http.post("/tables", json={**table, "name": name})
        version = service.store.files.latest("table", name)
        assert version is not None
        uploaded[name] = service.artifacts.folder / version.artifact
        # As if it had been uploaded yesterday.
        os.utime(uploaded[name], (0, 0))
        if name == "needed":
            task = {"table": {"artifact": version.artifact}}
            service.store.jobs.create("search", {}, task)
    http.post("/tables", json={**table, "name": "replaced", "created": "2026-02-01T00:00:00Z"})
    for name in ("removed", "needed"):
        http.delete(f"/tables/{name}")
    data = ["--older-than", "0s", "--data", str(service.settings.data)]

    dry = CliRunner().invoke(gc, [*data, "--dry-run"])
    assert "table replaced, version 1" in dry.output
    assert all(path.exists() for path in uploaded.values())
    output = CliRunner().invoke(gc, data).output

    assert "2 versions of uploads" in output
    existing = {name for name, path in uploaded.items() if Path(path).exists()}
    assert existing == {"needed", "newest"}
    assert {"replaced", "newest"} <= names(http)
    assert "versions" not in CliRunner().invoke(gc, data).output
