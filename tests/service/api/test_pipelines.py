"""`POST /pipelines` and the files of pipelines, by applications without an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from oneshot.pipeline.document import Document
from oneshot.pipeline.faults import InvalidPipeline
from service.admission import pipeline
from service.admission.tasks import PipelineTask
from service.catalog.catalog import Catalog
from service.context import service_of
from service.pipelines.checking import CheckedPipeline
from service.pipelines.files import published_files
from tables.lookup_table import LookupTable

SMALL = "space: spos-tiny\ndata: digits\ntrain: {epochs: 1}\nsearch: {constraint: %s}\n"


def body(pipeline: str, name: str = "mine") -> dict[str, Any]:
    return {"name": name, "pipeline": pipeline}


def test_a_pipeline_becomes_a_job_whose_task_has_no_paths(
    http: FlaskClient, app: APIFlask, world: Any
) -> None:
    answer = http.post("/pipelines", json=body(SMALL % "latency_ms<=50@made-up"))
    assert answer.status_code == 202, answer.json
    job = answer.json
    assert job["kind"] == "pipeline"
    assert job["request"]["stages"] == ["train", "search"]
    assert job["request"]["space"] == "spos-tiny"
    assert job["links"]["artifact"] == f"/jobs/{job['id']}/artifact"
    task = PipelineTask.from_dict(service_of(app).store.jobs.get(job["id"]).task)
    assert "latency_ms<=50@inputs/table-0.json" in task.text
    assert str(world.tables) not in task.text
    assert [file.reference.name for file in task.files] == ["made-up"]
    assert http.get("/jobs?kind=pipeline").json["total"] == 1


OF_TEXT = """space: %s
data: digits
task: language
%strain: {algorithm: spos, steps: 8, batch-size: 8, label-smoothing: 0}
evaluate: {n: 12, images: 4}
predict: {}
search: {%s}
retrain: {steps: 8, batch-size: 8, label-smoothing: 0}
export: {}
"""


@pytest.mark.parametrize(
    ("space", "profile", "search"),
    [
        ("decoder-tiny", "profile: {prompt: 16, cache: 16}\n", "constraint: decode_ms<=5@profile"),
        ("rnn", "", "constraint: macs<=1e9"),
    ],
)
def test_pipelines_of_texts_become_jobs(
    http: FlaskClient,
    app: APIFlask,
    monkeypatch: pytest.MonkeyPatch,
    space: str,
    profile: str,
    search: str,
) -> None:
    # The name of the service's data set stands for generated text here.
    monkeypatch.setattr(Catalog, "data_set", lambda catalog, name: "markov")

    answer = http.post("/pipelines", json=body(OF_TEXT % (space, profile, search)))

    assert answer.status_code == 202, answer.json
    assert answer.json["request"]["stages"][-1] == "export"
    task = PipelineTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
    assert json.loads(task.text)["data"] == "markov"


def test_all_faults_are_answered_at_once(http: FlaskClient, problem: Any, world: Any) -> None:
    text = """space: spos-tiny
plugins: [mine.py]
train:
  target: flops
  epoch: 3
  data: /etc
search:
  plot: a.png
  constraint: [flops<=3, latency_ms<=5@lacking]
"""
    answer = problem(
        http.post("/pipelines", json=body(text)), 422, "invalid-pipeline", "pipeline.plugins"
    )
    assert [(error["line"], error["field"]) for error in answer["errors"]] == [
        (2, "pipeline.plugins"),
        (4, "pipeline.train.target"),
        (5, "pipeline.train.epoch"),
        (6, "pipeline.train.data"),
        (8, "pipeline.search.plot"),
        (9, "pipeline.search.constraint"),
        (9, "pipeline.search.constraint"),
    ]
    assert answer["detail"].startswith("pipeline has 7 faults; the first: line 2: plugins")
    assert "the table 'lacking' lacks the block" in answer["errors"][-1]["detail"]
    assert str(world.tables) not in json.dumps(answer)


@pytest.mark.parametrize("text", ["a: [", "just a text", "train: *x", "a: b: c"])
def test_texts_that_are_no_pipeline_are_refused(http: FlaskClient, problem: Any, text: str) -> None:
    answer = http.post("/pipelines", json=body(text))
    assert answer.status_code == 422
    assert answer.json["type"].endswith("invalid-pipeline")


def test_a_name_of_the_services_own_folders_is_taken(http: FlaskClient, problem: Any) -> None:
    answer = http.post("/pipelines", json=body(SMALL % "flops<=9e9", "made-up"))
    problem(answer, 409, "name-taken", "name")


def check_names_alone(document: Document) -> CheckedPipeline:
    """In place of the check, which is a process of seconds."""
    if document.faults:
        raise InvalidPipeline(document.path, document.faults)
    return CheckedPipeline({"train": (), "search": ()})


def test_tables_of_another_user_are_not_reachable(
    app: APIFlask, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "check", check_names_alone)
    tokens = service_of(app).store.tokens
    ada, bob = ({"Authorization": f"Bearer {tokens.create(name)}"} for name in ("ada", "bob"))
    http = app.test_client()
    table = {**LookupTable.read(world.tables / "made-up.json").to_dict(), "name": "phone"}
    assert http.post("/tables", json=table, headers=ada).status_code == 201

    refusals = []
    for name in ("phone", "ada/phone", "no-such"):
        text = SMALL % f"latency_ms<=50@{name}"
        answer = http.post("/pipelines", json=body(text), headers=bob)
        assert answer.status_code == 422
        refusals.append(answer.json["errors"][0]["detail"].replace(name, "NAME"))
    # As a name that does not exist.
    assert len(set(refusals)) == 1

    text = SMALL % "latency_ms<=50@ada/phone"
    assert http.post("/pipelines", json=body(text), headers=ada).status_code == 202


def finished(app: APIFlask, owner: str | None = None) -> str:
    """A pipeline that is done, with a table, evaluations and a file of its search."""
    service = service_of(app)
    task = PipelineTask("mine", "{}", ["profile", "search"])
    job, _ = service.store.jobs.create("pipeline", {"name": "mine"}, task.to_dict(), owner)
    service.store.leases.claim("engine")
    contents = {"summary.json": b"{}", "profile.json": b"table", "search.json": b"found"}
    for name, content in contents.items():
        service.artifacts.write(job.id, 1, name, content)
    result = {
        "name": "mine",
        "stages": [
            {"name": "profile", "files": ["profile.json"]},
            {"name": "search", "files": ["search.json"]},
        ],
        "published": {"evaluations": "profile.json"},
    }
    service.store.jobs.finish(job.id, 1, result, f"{job.id}/1/summary.json")
    return job.id


def test_files_of_a_pipeline_are_those_of_its_list(
    http: FlaskClient, app: APIFlask, problem: Any
) -> None:
    job_id = finished(app)
    answer = http.get(f"/jobs/{job_id}/files/search.json")
    assert answer.data == b"found"
    assert "attachment; filename=search.json" in answer.headers["Content-Disposition"]
    for name in ("summary.json", "kept-pipeline.json", "..", "%2e%2e%2fx"):
        answer = http.get(f"/jobs/{job_id}/files/{name}")
        assert answer.status_code == 404, name
    problem(http.get(f"/jobs/{job_id}/files/x"), 404, "unknown-file", "name")


def test_picture_of_a_trained_network_is_a_file_with_a_type(
    http: FlaskClient, app: APIFlask, problem: Any
) -> None:
    service = service_of(app)
    job, _ = service.store.jobs.create("retrain", {}, {}, None)
    service.store.leases.claim("engine")
    path = service.artifacts.write(job.id, 1, "weights.safetensors", b"weights")
    service.artifacts.write(job.id, 1, "test.png", b"picture")
    service.artifacts.write(job.id, 1, "kept-last.ckpt", b"checkpoint")
    files = ["weights.safetensors", "test.png"]
    service.store.jobs.finish(job.id, 1, {"files": files}, path)

    picture = http.get(f"/jobs/{job.id}/files/test.png")
    weights = http.get(f"/jobs/{job.id}/files/weights.safetensors")

    assert (picture.data, picture.content_type) == (b"picture", "image/png")
    assert (weights.data, weights.content_type) == (b"weights", "application/octet-stream")
    answer = http.get(f"/jobs/{job.id}/files/kept-last.ckpt")
    problem(answer, 404, "unknown-file", "name")


def test_files_belong_to_the_owner_of_the_pipeline(app: APIFlask) -> None:
    service = service_of(app)
    secrets = {name: service.store.tokens.create(name) for name in ("ada", "bob")}
    ids = {token.name: token.id for token in service.store.tokens.list()}
    job_id = finished(app, ids["ada"])
    statuses = {}
    names = {}
    for name, secret in secrets.items():
        headers = {"Authorization": f"Bearer {secret}"}
        http = app.test_client()
        answer = http.get(f"/jobs/{job_id}/files/search.json", headers=headers)
        statuses[name] = answer.status_code
        names[name] = list(service.uploads.in_library("evaluations", ids[name]))
    assert statuses == {"ada": 200, "bob": 404}
    assert names == {"ada": ["mine"], "bob": []}


def test_files_are_published_once_and_outlive_a_restart(
    app: APIFlask, world: Any, tmp_path: Path
) -> None:
    from service.app import create_app

    job_id = finished(app)
    service = service_of(app)
    running = service.store.jobs.create("pipeline", {"name": "other"}, {})[0]
    kept = [service.artifacts.write(job_id, 1, f"kept-{name}.tar", b"x") for name in "ab"]
    needed = service.artifacts.write(running.id, 1, "kept-a.tar", b"x")
    for _ in range(2):
        service.uploads.in_library("evaluations", "")
    again = create_app(world.settings(tmp_path))
    service_of(again).uploads.in_library("evaluations", "")
    versions = service.store.files.list("evaluations", "mine")
    service_of(again).stop()
    assert [version.version for version in versions] == [1]
    # Its checkpoints repeat its files; those of a job that is not done may be needed.
    assert not any(map(service.artifacts.exists, kept))
    assert service.artifacts.exists(needed)
    assert service.artifacts.exists(f"{job_id}/1/search.json")


def test_proxies_of_a_pipeline_are_evaluations_of_their_own_name(
    app: APIFlask, http: FlaskClient, evaluations: Any
) -> None:
    service = service_of(app)
    lines = [json.dumps(entry) for entry in evaluations(12)["evaluations"]]
    content = ("\n".join(lines) + "\n").encode()
    task = PipelineTask("phone", "{}", ["evaluate", "proxies"])
    job, _ = service.store.jobs.create("pipeline", {"name": "phone"}, task.to_dict())
    service.store.leases.claim("engine")
    service.artifacts.write(job.id, 1, "evaluate.jsonl", content)
    service.artifacts.write(job.id, 1, "proxies.jsonl", content)
    result = {"name": "phone", "stages": [], "published": dict(published_files(task))}

    service.store.jobs.finish(job.id, 1, result, f"{job.id}/1/summary.json")

    names = [item["name"] for item in http.get("/evaluations").json["items"]]
    assert sorted(names) == ["phone", "phone-proxies"]
    body = {"name": "votes", "columns": names}
    assert http.post("/predictors", json=body).status_code == 202
