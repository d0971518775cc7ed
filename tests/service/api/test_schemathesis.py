"""Requests generated from the OpenAPI file: none fails, and every answer is documented."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import create_app
from service.context import service_of
from service.operation import readiness

ROOT = Path(__file__).resolve().parents[3]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SEARCH = {"space": "spos-tiny", "device": "made-up", "constraints": {"latency_ms": {"max": 1.0}}}
REAL: dict[str, str] = {"name": "made-up"}


@pytest.fixture(scope="module")
def application(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """A service with a search that is done; nobody waits, for nothing would end the waiting."""
    from oneshot.search.loop import run_search
    from service.admission.tasks import SearchTask
    from service.kinds.search import problem_of

    app = create_app(world.settings(tmp_path_factory.mktemp("schemathesis")))
    service = service_of(app)
    job_id = app.test_client().post("/search", json=SEARCH).json["id"]
    task = SearchTask.from_dict(service.store.leases.claim("e").task)
    found = run_search(problem_of(task), "random", options={"evaluations": 20}).to_dict(1)
    artifact = service.artifacts.write(job_id, 1, "result.json", json.dumps(found).encode())
    del found["candidates"]
    service.store.jobs.finish(job_id, 1, found, artifact)
    service.stopping.set()
    service.store.engines.announce("e", "ready")
    REAL["job_id"] = job_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readiness, "SILENCE", float("inf"))
        yield app
    service.stop()


@pytest.fixture(scope="module")
def api(application: APIFlask) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", application)


OPERATIONS = [
    (path, method)
    for path, methods in json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))[
        "paths"
    ].items()
    for method in methods
]


def check(case: Any) -> None:
    """Send a case as it was made up, and again about what there is."""
    case.call_and_validate(checks=CHECKS)
    entries = {name: value for name, value in REAL.items() if name in (case.path_parameters or {})}
    if entries:
        case.path_parameters = {**case.path_parameters, **entries}
        case.call_and_validate(checks=CHECKS)


def made_up(api: Any, path: str, method: str, count: int, **given_settings: Any) -> None:
    """Check requests of an operation, a number of lawful ones and as many that break its schema."""
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        try:
            strategy = api[path][method].as_strategy(generation_mode=mode)
            limits = settings(
                max_examples=count,
                suppress_health_check=quiet,
                phases=[Phase.generate],
                **given_settings,
            )
            limits(given(case=strategy)(check))()
        except (
            Unsatisfiable,
            SkipTest,
        ):  # there is nothing to break, such as where there are no parameters
            assert mode is GenerationMode.NEGATIVE


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_a_few_generated_requests_get_documented_answers(api: Any, path: str, method: str) -> None:
    made_up(api, path, method, 4, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_many_generated_requests_get_documented_answers(api: Any, path: str, method: str) -> None:
    # Pictures are slow, and nothing in a request changes them.
    made_up(api, path, method, 4 if "/front." in path else 40)
