"""`POST /retrain` without an engine: tasks, resources of several processes, and refusals."""

import json
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


def test_a_retraining_is_requested(app: APIFlask, http: FlaskClient) -> None:
    architecture = spaces.get(SPACE).architecture([0] * 6).to_dict()
    asked = {"architecture": architecture, "options": {"steps": 5, "learning_rate": 0.1}, "seed": 3}
    answer = http.post("/retrain", json=asked)
    assert (answer.status_code, answer.json["kind"], answer.json["request"]["space"]) == (
        202,
        "retrain",
        SPACE,
    )
    task = RetrainTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
    assert (task.architecture, task.data, task.seed) == (architecture, "digits", 3)
    assert task.options == {"steps": 5, "learning_rate": 0.1}


def searched(app: APIFlask, head: str, guide: dict[str, str]) -> str:
    """A search that is done, of networks with a head."""
    service = service_of(app)
    space = spaces.get(f"spos-tiny(head={head}, input_size=64)")
    architecture = space.architecture([0] * len(space.choices)).to_dict()
    search, _ = service.store.jobs.create("search", {}, {}, None)
    service.store.leases.claim("engine")
    result = {"guide": guide, "front": [{"architecture": architecture}]}
    service.store.jobs.finish(search.id, 1, result, None)
    return search.id


@pytest.mark.parametrize(
    ("head", "guide", "task"),
    [
        ("ssdlite", {"kind": "predictor"}, "detection"),
        ("mask", {"kind": "predictor"}, "segmentation"),
        ("mask", {"kind": "supernet", "task": "segmentation(ignore=3)"}, "segmentation(ignore=3)"),
    ],
)
def test_network_of_a_search_is_trained_for_its_task(
    app: APIFlask, http: FlaskClient, head: str, guide: dict[str, str], task: str
) -> None:
    search_id = searched(app, head, guide)

    answer = http.post("/retrain", json={"search": {"id": search_id}})

    assert answer.status_code == 202, answer.json
    assert answer.json["request"]["options"]["task"] == task
    stored = RetrainTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
    assert stored.options == {"task": task}


def test_detector_is_no_classifier(app: APIFlask, http: FlaskClient, problem: Any) -> None:
    search = {"id": searched(app, "ssdlite", {"kind": "predictor"})}
    answer = http.post("/retrain", json={"search": search, "options": {"task": "classification"}})
    body = problem(answer, 422, "invalid-value", "options.task")
    assert "needs networks with the head 'classes'" in body["detail"]


@pytest.mark.parametrize(
    ("parts", "status", "field"),
    [
        ({"architecture": None}, 422, "architecture"),
        ({"search": {"id": "x"}}, 404, "id"),
        (
            {"architecture": {"space": "spos(repeats=(9,9,9,99999999))", "choices": {}}},
            422,
            "architecture",
        ),
        ({"architecture": {"choices": {}}}, 422, "architecture"),
        ({"data": "/etc"}, 422, "data"),
        ({"data": "cifar10:/etc"}, 422, "data"),
        ({"supernet": "../x"}, 422, "supernet"),
        ({"options": {"epochs": 1, "steps": 1}}, 422, "options.steps"),
        ({"options": {"output": "/tmp/x"}}, 422, "options.output"),
        ({"options": {"learning_rate": -1}}, 422, "options.learning_rate"),
    ],
)
def test_impossible_retrainings_are_refused(
    http: FlaskClient, parts: dict[str, Any], status: int, field: str
) -> None:
    asked = {"architecture": spaces.get(SPACE).architecture([0] * 6).to_dict(), **parts}
    answer = http.post("/retrain", json=asked)
    assert (answer.status_code, json.loads(answer.data)["field"]) == (status, field), answer.text


def test_of_a_search_in_a_smaller_network_the_deployed_one_is_trained(
    app: APIFlask, http: FlaskClient
) -> None:
    searched = spaces.get("darts-search").architecture([0] * 24)

    answer = http.post("/retrain", json={"architecture": searched.to_dict()})

    assert answer.status_code == 202
    assert answer.json["request"]["space"] == "darts"
    task = RetrainTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
    assert task.architecture == {"space": "darts", "choices": searched.choices}
