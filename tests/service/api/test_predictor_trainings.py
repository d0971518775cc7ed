"""`POST /predictors` without an engine, and searches guided by the trained predictors."""

import json
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from predictor.registry import available
from service.admission.tasks import PredictorTask
from service.app import create_app
from service.context import service_of
from tables.evaluation import read

SPACE = "spos-tiny"


def test_a_trained_predictor_guides_a_search(
    app: APIFlask, http: FlaskClient, world: Any, problem: Any, evaluations: Any
) -> None:
    service = service_of(app)
    http.post("/evaluations", json=evaluations(30))
    body = {
        "name": "mine",
        "evaluations": "measured",
        "options": {"encoder": available()[0], "metric": "top1"},
    }
    answer = http.post("/predictors", json=body)
    assert (answer.status_code, answer.json["kind"]) == (202, "predictor")
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"
    job = service.store.leases.claim("e")
    assert job is not None
    task = PredictorTask.from_dict(job.task)
    assert (task.space, task.name, task.options) == (SPACE, "mine", body["options"])
    assert len(read(task.evaluations.checked())) == 30
    problem(http.get(f"/jobs/{job.id}/artifact"), 409, "conflict", "id")
    trained = (world.predictors / "small.safetensors").read_bytes()
    artifact = service.artifacts.write(job.id, 1, "predictor.safetensors", trained)
    service.store.jobs.finish(job.id, 1, {"name": "mine"}, artifact)
    assert http.get(f"/jobs/{job.id}/artifact").data == trained
    # It outlives its job, and is taken once.
    assert {item["name"] for item in http.get("/predictors").json["items"]} >= {"mine", "small"}
    service.artifacts.remove(job.id)
    search = http.post("/search", json={"space": SPACE, "guide": {"name": "mine"}})
    assert search.status_code == 202, search.json
    again = create_app(service.settings)
    assert "mine" in {item["name"] for item in again.test_client().get("/predictors").json["items"]}
    assert [version.version for version in service.store.files.list("predictor", "mine")] == [1]
    service_of(again).stop()


@pytest.mark.parametrize(
    ("parts", "status", "field"),
    [
        ({"evaluations": "others"}, 422, "evaluations"),
        ({"name": "a/b"}, 422, "name"),
        ({"name": "small"}, 409, "name"),
        ({"options": {"encoder": "oracle", "metric": "top1"}}, 422, "options.encoder"),
        ({"options": {"metric": "cross_entropy"}}, 422, "options.metric"),
        ({"options": {"train": 28, "metric": "top1"}}, 422, "options.train"),
        ({"options": {"data": "/etc/passwd"}}, 422, "options.data"),
    ],
)
def test_impossible_predictor_trainings_are_refused(
    http: FlaskClient, evaluations: Any, parts: dict[str, Any], status: int, field: str
) -> None:
    http.post("/evaluations", json=evaluations(30))
    body = {"name": "mine", "evaluations": "measured", "options": {"metric": "top1"}, **parts}
    answer = http.post("/predictors", json=body)
    assert (answer.status_code, json.loads(answer.data)["field"]) == (status, field)


def test_several_metrics_teach_the_steps_of_ta_gates(
    app: APIFlask, http: FlaskClient, evaluations: Any, problem: Any
) -> None:
    upload = evaluations(30)
    for item in upload["evaluations"]:
        item["metrics"]["cross_entropy"] = 40 - item["metrics"]["top1"]
    http.post("/evaluations", json=upload)
    metrics = ["cross_entropy", "top1"]

    def train(**options: Any) -> Any:
        body = {"name": "mine", "evaluations": "measured", "options": options}
        return http.post("/predictors", json=body)

    refused = problem(train(metric=metrics), 422, "invalid-value", "options.metric")
    assert "options.encoder to ta-gates" in refused["detail"]
    unknown = problem(
        train(metric=["top1", "tpo5"], encoder="ta-gates"), 422, "unknown-name", "options.metric"
    )
    assert unknown["known"] == metrics[::-1]
    assert train(metric=metrics[:1]).status_code == 202
    answer = train(metric=metrics, encoder="ta-gates")
    assert answer.json["request"]["options"]["metric"] == metrics
    task = service_of(app).store.jobs.get(answer.json["id"]).task
    assert task["options"]["metric"] == metrics


@pytest.mark.parametrize(("networks", "copies"), [(6, 5), (14, 2)])
def test_repeated_evaluations_do_not_count_as_networks(
    http: FlaskClient, evaluations: Any, networks: int, copies: int
) -> None:
    upload = evaluations(networks)
    upload["evaluations"] = upload["evaluations"] * copies
    http.post("/evaluations", json=upload)
    options = {"metric": "top1"}
    body = {"name": "mine", "evaluations": "measured", "options": options}
    answer = http.post("/predictors", json=body)
    assert (answer.status_code, json.loads(answer.data)["field"]) == (422, "evaluations")


def proxies_of(upload: dict[str, Any], name: str = "proxies") -> dict[str, Any]:
    """Proxies of the networks of an upload of evaluations."""
    entries = [
        {**entry, "metrics": {"meco": 1.0, "naswot": 2.0}, "source": {"kind": "proxies"}}
        for entry in upload["evaluations"]
    ]
    return {"name": name, "evaluations": entries}


def test_columns_are_pinned_with_or_without_labels(
    app: APIFlask, http: FlaskClient, evaluations: Any
) -> None:
    upload = evaluations(30)
    for body in (upload, proxies_of(upload)):
        assert http.post("/evaluations", json=body).status_code == 201

    votes = {"name": "votes", "columns": ["proxies:meco", "measured:top1"], "space": SPACE}
    voting = http.post("/predictors", json=votes)
    weighed = http.post(
        "/predictors",
        json={
            "name": "weighed",
            "evaluations": "measured",
            "columns": ["proxies"],
            "options": {"metric": "top1"},
        },
    )

    assert (voting.status_code, weighed.status_code) == (202, 202), weighed.json
    assert voting.json["request"]["evaluations"] is None
    store = service_of(app).store
    task = PredictorTask.from_dict(store.jobs.get(voting.json["id"]).task)
    assert task.evaluations is None
    assert [column.to_text() for column in task.columns] == votes["columns"]
    assert len(read(task.columns[0].file.checked())) == 30
    task = PredictorTask.from_dict(store.jobs.get(weighed.json["id"]).task)
    assert task.evaluations is not None
    assert (task.options, task.columns[0].metric) == ({"metric": "top1"}, "")
    # A request that is sent again as it was recorded gives the same task.
    recorded = {**weighed.json["request"], "shared": False}
    again = http.post("/predictors", json=recorded)
    assert store.jobs.get(again.json["id"]).task == store.jobs.get(weighed.json["id"]).task


def test_experts_learn_pinned_columns_before_the_evaluations(
    app: APIFlask, http: FlaskClient, evaluations: Any
) -> None:
    upload = evaluations(30)
    for item in upload["evaluations"]:
        item["metrics"]["cross_entropy"] = 40 - item["metrics"]["top1"]
    # Columns may be of fewer networks, or of others.
    proxies = proxies_of({**upload, "evaluations": upload["evaluations"][:12]})
    for body in (upload, proxies):
        assert http.post("/evaluations", json=body).status_code == 201

    options = {"encoder": "dele", "metric": "top1", "refit": True}
    columns = ["measured:cross_entropy", "proxies"]
    body = {"name": "mine", "evaluations": "measured", "columns": columns, "options": options}
    answer = http.post("/predictors", json=body)

    assert answer.status_code == 202, answer.json
    store = service_of(app).store
    task = PredictorTask.from_dict(store.jobs.get(answer.json["id"]).task)
    assert task.options == options
    assert task.evaluations == task.columns[0].file
    assert [column.to_text() for column in task.columns] == columns
    assert len(read(task.columns[1].file.checked())) == 12
    again = http.post("/predictors", json={**answer.json["request"], "shared": False})
    assert store.jobs.get(again.json["id"]).task == store.jobs.get(answer.json["id"]).task


@pytest.mark.parametrize(
    ("parts", "field", "words"),
    [
        ({"evaluations": None}, "evaluations", "dele predicts a metric of theirs"),
        ({"columns": ["proxies", "measured:top1"]}, "columns.1", "top1 of measured is predicted"),
        # An upload of the same evaluations has the same values.
        ({"columns": ["copy"]}, "columns.0", "by copy:METRIC"),
        ({"columns": ["few:meco"]}, "columns.0", "few has 4 networks"),
        ({"columns": ["proxies:tpo1"]}, "columns.0", "tpo1"),
        ({"space": "nasbench201"}, "space", "spos-tiny, not"),
    ],
)
def test_columns_that_experts_cannot_learn_are_refused_at_their_field(
    http: FlaskClient, evaluations: Any, parts: dict[str, Any], field: str, words: str
) -> None:
    upload = evaluations(30)
    proxies = proxies_of(upload)
    few = {"name": "few", "evaluations": proxies["evaluations"][:4]}
    for body in (upload, {**upload, "name": "copy"}, proxies, few):
        http.post("/evaluations", json=body)

    options = {"encoder": "dele", "metric": "top1"}
    body = {"name": "mine", "evaluations": "measured", "columns": ["proxies"], "options": options}
    answer = http.post("/predictors", json={**body, **parts})

    assert answer.status_code == 422
    assert answer.json["field"] == field
    assert words in answer.json["detail"]
    assert "/" not in answer.json["detail"]


@pytest.mark.parametrize(
    ("parts", "field", "words"),
    [
        ({}, "evaluations", "evaluations or columns are needed"),
        ({"columns": ["nothing"]}, "columns.0", "unknown evaluations 'nothing'"),
        ({"columns": ["measured", "few"]}, "columns.1", "few has 4 networks; at least 10"),
        ({"columns": ["proxies:tpo1"]}, "columns.0", "tpo1"),
        ({"columns": ["proxies"], "space": "nasbench201"}, "columns.0", "proxies: "),
        ({"columns": ["proxies"], "options": {"refit": True}}, "options.refit", "remove it"),
        ({"columns": ["proxies"], "options": {"encoder": "gates"}}, "options.encoder", "evidence"),
        ({"columns": ["proxies"], "options": {"metric": "top1"}}, "options.metric", "evaluations"),
        (
            {"columns": ["proxies"], "evaluations": "measured", "options": {"metric": ["a", "b"]}},
            "options.metric",
            "one metric",
        ),
        ({"columns": ["proxies"], "evaluations": "few"}, "evaluations", "few has 4 networks"),
        ({"evaluations": "measured", "space": "nasbench201"}, "space", "spos-tiny, not"),
    ],
)
def test_impossible_columns_are_refused_at_their_field(
    http: FlaskClient, evaluations: Any, parts: dict[str, Any], field: str, words: str
) -> None:
    upload = evaluations(30)
    few = {"name": "few", "evaluations": upload["evaluations"][:4]}
    for body in (upload, few, proxies_of(upload)):
        http.post("/evaluations", json=body)

    answer = http.post("/predictors", json={"name": "mine", **parts})

    assert answer.status_code == 422
    assert answer.json["field"] == field
    assert words in answer.json["detail"]
    # No path of the service is told.
    assert "/" not in answer.json["detail"]
