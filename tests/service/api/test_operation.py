"""Health, metrics, and the OpenAPI file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from service.commands import main
from service.commands.openapi import document
from service.context import service_of
from service.operation import readiness

ROOT = Path(__file__).resolve().parents[3]


def test_readiness_follows_the_state_of_the_engine(
    app: APIFlask, http: FlaskClient, problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = service_of(app).store
    assert http.get("/healthz").json == {"status": "alive"}
    answer = http.get("/readyz")
    assert "does not run yet" in problem(answer, 503, "not-ready")["detail"]
    assert "Retry-After" in answer.headers
    store.engines.announce("e", "starting")
    assert "the engine is starting" in problem(http.get("/readyz"), 503, "not-ready")["detail"]
    store.engines.announce("e", "ready")
    content = http.get("/readyz").json
    assert (content["status"], content["engines"][0]["state"]) == ("ready", "ready")
    store.engines.announce("e", "fault", "Ray's head has died")
    assert "Ray's head has died" in problem(http.get("/readyz"), 503, "not-ready")["detail"]
    store.engines.announce("e", "ready")
    monkeypatch.setattr(readiness, "SILENCE", 0.0)
    assert "has not reported" in problem(http.get("/readyz"), 503, "not-ready")["detail"]
    assert http.get("/healthz").status_code == 200


def test_a_missing_store_makes_the_service_unready(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    service = service_of(app)
    service.store.close()
    service.settings.database.write_bytes(b"")
    assert "does not answer" in problem(http.get("/readyz"), 503, "not-ready")["detail"]
    answer = http.get("/search")
    problem(answer, 503, "store-away")
    assert "Retry-After" in answer.headers


def test_metrics_count_requests_and_jobs(app: APIFlask, http: FlaskClient) -> None:
    body = {"space": "spos-tiny", "device": "made-up"}
    job_id = http.post("/search", json=body).json["id"]
    for path in (f"/search/{job_id}", f"/search/{job_id}", "/search/x", "/nowhere-1", "/nowhere-2"):
        http.get(path)
    service_of(app).store.engines.announce("e", "ready")
    answer = http.get("/metrics")
    assert answer.mimetype == "text/plain"
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found[("pathfit_jobs", "queued")] == 1
    assert found[("pathfit_jobs", "done")] == 0
    assert found[("pathfit_requests_total", "/search/<job_id>", "200", "GET")] == 2
    assert found[("pathfit_requests_total", "/search/<job_id>", "404", "GET")] == 1
    # Paths that do not exist must not make up new series.
    assert found[("pathfit_requests_total", "404", "any", "none")] == 2
    assert found[("pathfit_event_streams",)] == 0
    assert found[("pathfit_engine_age_seconds", "e", "ready")] < 60


def test_the_openapi_file_is_current() -> None:
    committed = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert document() == committed, (
        "it is written by: python -m service openapi -o docs/openapi.json"
    )


def test_the_openapi_command_writes_the_served_document(http: FlaskClient, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["openapi", "-o", str(tmp_path / "openapi.json")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "openapi.json").read_text()) == http.get("/openapi.json").json


def test_every_operation_documents_its_problems(http: FlaskClient) -> None:
    spec = http.get("/openapi.json").json
    problem = {"$ref": "#/components/schemas/Problem"}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            statuses = set(operation["responses"])
            expected = (
                {"400"}
                if path == "/healthz"
                else {"400", "503"}
                if path == "/readyz"
                else {"400", "401", "503"}
            )
            expected |= {"403", "413", "415", "422"} if method == "post" else set()
            expected |= {"404"} if "{job_id}" in path or "{name}" in path else set()
            expected |= (
                {"429"}
                if method == "post" and path in ("/search", "/predictors", "/retrain")
                else set()
            )
            assert expected <= statuses, (method, path)
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert answer["content"] == {"application/problem+json": {"schema": problem}}, (
                        method,
                        path,
                    )
                    assert answer["description"]
            assert operation["summary"]
    assert {"SearchRequest", "JobStatus", "Problem"} <= set(spec["components"]["schemas"])
    assert set(spec["components"]["securitySchemes"]) == {"token", "session"}


ASKED_OF_THE_WEB_PROCESS = """
import sys
from pathlib import Path
from service.app import create_app
from service.settings import Settings
http = create_app(Settings(Path(sys.argv[1]))).test_client()
for path in ("/spaces", "/tables", "/strategies", "/search", "/metrics", "/openapi.json"):
    assert http.get(path).status_code == 200, path
assert http.post("/search", json={"space": "spos"}).status_code == 422
print(sorted({"ray", "torch", "lightning_fabric", "matplotlib"} & set(sys.modules)))
"""


def test_the_web_process_imports_no_package_of_the_jobs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED_OF_THE_WEB_PROCESS, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
