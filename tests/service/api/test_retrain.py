"""Retrainings in several processes: what they take, and which are refused."""

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.admission.tasks import RetrainTask
from service.context import service_of
from service.jobs import Resources

SPACE = "spos-tiny"


def asked(**parts: Any) -> dict[str, Any]:
    return {"architecture": spaces.get(SPACE).architecture([0] * 6).to_dict(), **parts}


@pytest.mark.parametrize(
    ("parts", "takes"),
    [
        ({}, Resources(1.0)),
        ({"workers": 3, "options": {"batch_size": 48}}, Resources(3.0)),
        ({"workers": 2, "options": {"accelerator": "gpu"}}, Resources(2.0, 2.0)),
    ],
)
def test_each_process_takes_a_core_or_a_gpu(
    app: APIFlask, http: FlaskClient, parts: dict[str, Any], takes: Resources
) -> None:
    answer = http.post("/retrain", json=asked(**parts))
    assert (answer.status_code, answer.json["request"]["workers"]) == (202, parts.get("workers", 1))
    job = service_of(app).store.jobs.get(answer.json["id"])
    assert job.resources == takes
    assert RetrainTask.from_dict(job.task).workers == parts.get("workers", 1)


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": 65}, "workers"),
        ({"workers": "2"}, "workers"),
        ({"options": {"devices": 2}}, "options.devices"),
        ({"workers": 3, "options": {"batch_size": 64}}, "options.batch_size"),
        ({"workers": 2, "options": {"batch_size": 6, "accumulate": 2}}, "options.batch_size"),
    ],
)
def test_resources_that_cannot_be_divided_are_refused(
    http: FlaskClient, problem: Any, parts: Any, field: str
) -> None:
    body = problem(http.post("/retrain", json=asked(**parts)), 422, "invalid-value", field)
    if field == "options.batch_size":
        assert "options.batch_size must be a multiple of workers x accumulate" in body["detail"]
