"""Lists of files: their pages, and the summaries that are stored with uploads."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from service.app import create_app
from service.context import Service, service_of
from service.settings import Settings
from tables.lookup_table import LookupTable


@pytest.fixture
def service(app: Any) -> Service:
    return service_of(app)


def upload(http: FlaskClient, table: Any, name: str) -> None:
    answer = http.post("/tables", json={**table, "name": name})
    assert answer.status_code == 201, answer.json


@pytest.fixture
def table(world: Any) -> Any:
    """The JSON object of a table."""
    return LookupTable.read(next(world.tables.glob("*.json"))).to_dict()


def test_pages_together_have_each_file_once(http: FlaskClient, table: Any) -> None:
    for index in range(5):
        upload(http, table, f"cpu-{index}")

    whole = http.get("/tables").get_json()
    pages = [http.get(f"/tables?limit=2&offset={start}").get_json() for start in range(0, 99, 2)]

    names = [item["name"] for item in whole["items"]]
    assert len(set(names)) == len(names) == whole["total"]
    assert [item["name"] for page in pages for item in page["items"]] == names
    assert {page["total"] for page in pages} == {len(names)}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "offset=-1", "offset=a", "page=2"])
def test_a_malformed_page_is_refused(http: FlaskClient, query: str) -> None:
    assert http.get(f"/evaluations?{query}").status_code == 422


def test_uploads_are_not_read_again(
    http: FlaskClient, table: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(http, table, "cpu-1")
    upload(http, table, "cpu-2")
    monkeypatch.setattr(service.uploads, "path", lambda version: pytest.fail("read again"))

    item = {item["name"]: item for item in http.get("/tables").get_json()["items"]}["cpu-2"]
    body = {"space": table["space"], "constraints": {"latency_ms": {"max": 1.0}}}
    refused = http.post("/search", json=body).get_json()

    assert item["space"] == table["space"]
    assert item["blocks"] == len(table["blocks"])
    assert {"cpu-1", "cpu-2"} <= set(refused["known"])


def test_uploads_of_an_earlier_version_are_summarised_once(
    http: FlaskClient, table: Any, service: Service, world: Any, tmp_path: Path
) -> None:
    upload(http, table, "cpu-1")
    expected = {item["name"]: item for item in http.get("/tables").get_json()["items"]}["cpu-1"]
    with service.store.database.writing() as session:
        session.execute(text("UPDATE files SET summary = NULL, space = NULL, size = NULL"))

    # Another process, which has not looked yet.
    other = create_app(Settings(service.settings.data, (world.tables,), (world.predictors,)))
    items = other.test_client().get("/tables").get_json()["items"]

    assert expected in items
    assert service.store.files.without_summary("table") == []
    assert [version.name for version in service.store.files.list("table", space=table["space"])]
    service_of(other).stop()


def test_an_upload_without_readable_content_hides_no_other(
    http: FlaskClient, table: Any, service: Service
) -> None:
    upload(http, table, "cpu-1")
    path, sha256 = service.artifacts.keep(b"no predictor")
    service.store.files.add("predictor", "broken", sha256, path)

    items = {item["name"]: item for item in http.get("/predictors").get_json()["items"]}

    assert "not a predictor" in items.pop("broken")["error"]
    assert all(item["error"] is None for item in items.values())
