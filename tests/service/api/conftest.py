"""Applications without an engine, a search that is done, checks of problems, and evaluations."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import spaces
from service.admission.tasks import SearchTask
from service.app import create_app
from service.context import service_of

Problem = Callable[..., dict[str, Any]]
Evaluations = Callable[..., dict[str, Any]]

SEARCH = {
    "space": "spos-tiny",
    "device": "made-up",
    "constraints": {"latency_ms": {"max": 1.0}},
    "count": 3,
}


@pytest.fixture
def app(world: Any, tmp_path: Path) -> Iterator[APIFlask]:
    created = create_app(world.settings(tmp_path))
    yield created
    service_of(created).stop()


@pytest.fixture
def http(app: APIFlask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def problem() -> Problem:
    """Gives the body of an answer, which must be this problem."""

    def check(
        answer: TestResponse, status: int, slug: str, field: str | None = None
    ) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(answer.data)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), (
            body
        )
        assert body["type"] == f"urn:pathfit:problem:{slug}"
        assert (body["status"], body.get("field")) == (status, field), body
        assert body["title"]
        assert body["detail"]
        return body

    return check


@pytest.fixture(scope="session")
def evaluations() -> Evaluations:
    """Makes the body of an upload with so many evaluations of `spos-tiny`."""

    def make(count: int, name: str = "measured") -> dict[str, Any]:
        space = spaces.get("spos-tiny")
        codes = np.unique(space.sample(np.random.default_rng(3), 4 * count), axis=0)[:count]
        return {
            "name": name,
            "evaluations": [
                {
                    "architecture": architecture.to_dict(),
                    "metrics": {"top1": float(index)},
                    "source": {"kind": "supernet"},
                }
                for index, architecture in enumerate(space.decode(codes))
            ],
        }

    return make


@pytest.fixture
def finished_search(app: APIFlask, http: FlaskClient) -> tuple[str, dict[str, Any]]:
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
