"""Applications without anybody who runs jobs, and what is known of their problems."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.app import create_app
from service.context import service_of

Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def app(world: Any, tmp_path: Path) -> Iterator[APIFlask]:
    made = create_app(world.settings(tmp_path))
    yield made
    service_of(made).stop()


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
