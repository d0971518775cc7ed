"""What there is, uploads as immutable versions, predictions, and jobs that train."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import predictor
import spaces
from predictor.registry import available
from service.admission.tasks import PredictorTask, RetrainTask, SearchTask
from service.app import create_app
from service.context import service_of
from service.settings import Settings
from spaces.files import digest
from tables.evaluation import read
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"


@pytest.fixture
def table(world: Any) -> dict[str, Any]:
    """A table to upload."""
    return {**LookupTable.read(world.tables / "made-up.json").to_dict(), "name": "phone"}


def evaluations(count: int, name: str = "measured") -> dict[str, Any]:
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 4 * count), axis=0)[:count]
    return {
        "name": name,
        "evaluations": [
            {
                "architecture": found.to_dict(),
                "metrics": {"top1": float(index)},
                "source": {"kind": "supernet"},
            }
            for index, found in enumerate(space.decode(codes))
        ],
    }


# What there is


def test_lists_contain_every_kind_of_entry(http: FlaskClient) -> None:
    known = {
        name: {item["name"]: item for item in http.get(f"/{name}").json["items"]} for name in LISTS
    }
    assert {"spos", SPACE} <= set(known["spaces"])
    assert known["spaces"][SPACE]["architectures"] == 4096
    assert {"made-up", "lacking", "broken"} <= set(known["tables"])
    assert known["tables"]["made-up"]["space"] == SPACE
    assert "not JSON" in known["tables"]["broken"]["error"]
    assert known["predictors"]["small"]["space"] == SPACE
    assert "is not a predictor's file" in known["predictors"]["broken"]["error"]
    assert known["benchmarks"]["nasbench201"]["space"] == "nasbench201"
    assert set(known["data-sets"]) == {"digits"}
    assert {"pathfit", "nni", "spos", "ofa"} <= set(known["formats"])
    assert known["strategies"]["random"]["options"]


LISTS = (
    "spaces",
    "tables",
    "predictors",
    "supernets",
    "benchmarks",
    "evaluations",
    "data-sets",
    "formats",
    "strategies",
)


def test_a_space_is_served_with_its_choices_and_bounds(http: FlaskClient, problem: Any) -> None:
    space = spaces.get(SPACE)
    told = http.get(f"/spaces/{SPACE}").json
    assert list(told["choices"]) == [choice.key for choice in space.choices]
    macs = space.macs(np.concatenate(list(space.enumerate_codes())))
    assert (told["bounds"]["macs"]["least"], told["bounds"]["macs"]["greatest"]) == (
        macs.min(),
        macs.max(),
    )
    for name in ("sops", "spos(repeats=(9999999,9999999,9999999))", "..", "%2e%2e%2f"):
        answer = http.get(f"/spaces/{name}")
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert SPACE in problem(http.get("/spaces/sops"), 404, "unknown-space", "name")["known"]


def test_bounds_equal_those_over_all_networks(http: FlaskClient, world: Any, problem: Any) -> None:
    told = http.get(f"/tables/made-up/bounds?space={SPACE}").json
    model = LookupTable.read(world.tables / "made-up.json").cost_model(spaces.get(SPACE))
    every = model.estimate(np.concatenate(list(spaces.get(SPACE).enumerate_codes())))
    latency = told["metrics"]["latency_ms"]
    assert (latency["least"], latency["greatest"]) == pytest.approx((every.min(), every.max()))
    assert (latency["unit"], latency["exact"], latency["sigma"]) == (
        "ms",
        True,
        pytest.approx(model.sigma),
    )
    assert set(told["metrics"]) == {"latency_ms", "macs", "params"}
    problem(http.get(f"/tables/mars/bounds?space={SPACE}"), 404, "unknown-table", "name")
    problem(http.get(f"/tables/broken/bounds?space={SPACE}"), 409, "unusable-file", "name")
    problem(http.get("/tables/made-up/bounds?space=sops"), 422, "unknown-name", "space")
    problem(http.get("/tables/made-up/bounds?space=proxylessnas"), 422, "invalid-value", "space")
    problem(http.get("/tables/made-up/bounds"), 422, "invalid-value", "space")


def test_trained_supernets_are_listed_and_guide_searches(
    world: Any, tmp_path: Path, problem: Any
) -> None:
    runs = {
        "done": ("supernet", True),
        "unfinished": ("supernet", False),
        "other": ("network", True),
    }
    for name, (kind, finished) in runs.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        settings = {"kind": kind, "space": SPACE, "data": {"name": "digits"}}
        (tmp_path / "runs" / name / "run.json").write_text(json.dumps(settings))
        if finished:
            (tmp_path / "runs" / name / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "run.json").write_text("{")
    app = create_app(
        Settings(
            tmp_path / "data", (world.tables,), (world.predictors,), supernets=(tmp_path / "runs",)
        )
    )
    http, store = app.test_client(), service_of(app).store
    assert [(item["name"], item["space"]) for item in http.get("/supernets").json["items"]] == [
        ("done", SPACE)
    ]
    job_id = http.post("/search", json={"space": SPACE, "guide": {"kind": "supernet"}}).json["id"]
    task = SearchTask.from_dict(store.jobs.get(job_id).task)
    assert task.predictor is None
    assert task.supernet is not None
    assert task.supernet.checked() == tmp_path / "runs" / "done" / "weights.safetensors"
    for name in ("unfinished", "../runs/done"):
        answer = http.post(
            "/search", json={"space": SPACE, "guide": {"kind": "supernet", "name": name}}
        )
        problem(answer, 422, "unknown-name", "guide.name")
    answer = http.post(
        "/search", json={"space": "spos", "guide": {"kind": "supernet", "name": "done"}}
    )
    problem(answer, 422, "invalid-value", "guide.name")
    service_of(app).stop()


def test_the_space_of_a_supernet_can_be_searched(world: Any, tmp_path: Path) -> None:
    name = "spos-tiny(input_size=16)"
    folder = tmp_path / "runs" / "small-images"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(
        json.dumps({"kind": "supernet", "space": name, "data": {"name": "digits"}})
    )
    (folder / "weights.safetensors").write_bytes(b"weights")
    app = create_app(
        Settings(
            tmp_path / "data", (world.tables,), (world.predictors,), supernets=(tmp_path / "runs",)
        )
    )
    http = app.test_client()
    assert name in {item["name"] for item in http.get("/spaces").json["items"]}
    answer = http.post("/search", json={"space": name, "guide": {"kind": "supernet"}})
    assert (answer.status_code, answer.json["request"]["guide"]["name"]) == (202, "small-images")
    service_of(app).stop()


@pytest.mark.reference_data
def test_a_benchmark_guides_a_search(
    app: APIFlask, http: FlaskClient, reference_data: Path, problem: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PATHFIT_REFERENCE_DATA", str(reference_data))
    asked = {
        "space": "nasbench-macro",
        "guide": {"kind": "benchmark"},
        "objectives": ["accuracy", "flops"],
    }
    answer = http.post("/search", json=asked)
    assert answer.json["request"]["guide"]["name"] == "nasbench-macro"
    task = SearchTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
    assert (task.benchmark, task.objectives) == ("nasbench-macro", ["macs"])
    # Where latency counts, the space's only table is the device.
    on_device = http.post("/search", json={**asked, "constraints": {"latency_ms": {"max": 1000}}})
    assert on_device.json["request"]["device"] == "amd-epyc-nasbench-macro-b1-fp32-t2"
    assert [Path(file.path).name for file in task.benchmark_files] == [
        "nas-bench-macro_cifar10.json"
    ]
    assert [file.sha256 for file in task.benchmark_files] == [
        digest(Path(file.path)) for file in task.benchmark_files
    ]
    asked["guide"]["metric"] = "luck"
    problem(http.post("/search", json=asked), 422, "unknown-name", "guide.metric")


@pytest.mark.parametrize(
    ("parts", "slug", "field"),
    [
        ({"guide": {"metric": "top1"}}, "invalid-value", "guide.metric"),
        ({"guide": {"kind": "benchmark"}}, "invalid-value", "guide.name"),
        ({"guide": {"kind": "benchmark", "name": "mine"}}, "unknown-name", "guide.name"),
        ({"objectives": ["beauty"]}, "invalid-value", "objectives.0"),
        ({"objectives": ["accuracy", 3]}, "invalid-value", "objectives.1"),
        ({"objectives": ["latency_ms"]}, "invalid-value", "device"),
        ({"constraints": {"energy_mj": {"max": 5}}}, "invalid-value", "device"),
        ({"objectives": ["memory_bytes"]}, "invalid-value", "device"),
    ],
)
def test_invalid_guides_and_objectives_are_named(
    http: FlaskClient, problem: Any, parts: dict[str, Any], slug: str, field: str
) -> None:
    problem(http.post("/search", json={"space": SPACE, **parts}), 422, slug, field)


# Uploads


def test_a_table_is_uploaded_and_used(
    app: APIFlask, http: FlaskClient, table: dict[str, Any]
) -> None:
    answer = http.post("/tables", json=table)
    assert (answer.status_code, answer.json["version"], answer.json["name"]) == (201, 1, "phone")
    again = http.post("/tables", json=table)
    assert (again.status_code, again.json) == (200, answer.json)
    assert "phone" in {item["name"] for item in http.get("/tables").json["items"]}
    first = http.post(
        "/search",
        json={"space": SPACE, "device": "phone", "constraints": {"latency_ms": {"max": 1}}},
    )
    slower = {
        key: {**cost, "latency_ms": 2 * cost["latency_ms"]} for key, cost in table["blocks"].items()
    }
    newer = http.post("/tables", json={**table, "blocks": slower})
    assert (newer.status_code, newer.json["version"]) == (201, 2)
    # What was accepted with the first version keeps it.
    task = SearchTask.from_dict(service_of(app).store.jobs.get(first.json["id"]).task)
    assert task.table is not None
    assert task.table.sha256 == answer.json["sha256"]
    assert LookupTable.read(task.table.checked()).to_dict() == table
    last = http.post("/search", json={"space": SPACE, "device": "phone"})
    assert (
        service_of(app).store.jobs.get(last.json["id"]).task["table"]["sha256"]
        == newer.json["sha256"]
    )


def test_the_profiler_uploads_to_the_service(app: APIFlask, world: Any, tmp_path: Path) -> None:
    import threading

    from werkzeug.serving import make_server

    from profiler.errors import UploadFailed
    from profiler.upload import upload

    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = LookupTable.read(world.tables / "made-up.json")
        fields = {name: getattr(found, name) for name in found.__dataclass_fields__}
        upload(LookupTable(**{**fields, "name": "tablet"}), f"http://127.0.0.1:{server.port}")
        with pytest.raises(UploadFailed, match="409"):
            upload(LookupTable(**{**fields, "name": "made-up"}), f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert service_of(app).catalog.table("tablet")[0].name == "tablet"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "../made-up"}, "name"),
        ({"name": ".hidden"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 3}, "name"),
        ({"blocks": {"mbconv": 3}}, None),
        ({"format": "pickle"}, None),
        ({"version": 99}, None),
        ({"networks": [{"codes": "x"}]}, None),
        ({"seed": None}, None),
    ],
)
def test_malformed_tables_are_refused(
    http: FlaskClient,
    problem: Any,
    table: dict[str, Any],
    change: dict[str, Any],
    field: str | None,
) -> None:
    problem(http.post("/tables", json={**table, **change}), 422, "invalid-value", field)
    assert "phone" not in {item["name"] for item in http.get("/tables").json["items"]}


def test_an_upload_cannot_replace_a_table_of_the_service(
    http: FlaskClient, problem: Any, table: dict[str, Any]
) -> None:
    problem(http.post("/tables", json={**table, "name": "made-up"}), 409, "name-taken", "name")


def test_uploads_may_be_larger_than_other_bodies(
    world: Any, tmp_path: Path, problem: Any, table: dict[str, Any]
) -> None:
    size = len(json.dumps(table))
    app = create_app(
        Settings(tmp_path, (world.tables,), (world.predictors,), max_body=100, max_upload=2 * size)
    )
    http = app.test_client()
    assert http.post("/tables", json=table).status_code == 201
    problem(
        http.post("/tables", json={**table, "command": "x" * 2 * size}),
        413,
        "request-entity-too-large",
    )
    problem(http.post("/predict", json={"space": "x" * 200}), 413, "request-entity-too-large")
    service_of(app).stop()


def test_valid_evaluations_are_stored_and_others_refused(
    app: APIFlask, http: FlaskClient, problem: Any
) -> None:
    asked = evaluations(4)
    answer = http.post("/evaluations", json=asked)
    assert answer.status_code == 201
    kept = read(service_of(app).catalog.evaluations("measured").path, SPACE)
    assert [found.architecture.to_dict() for found in kept] == [
        one["architecture"] for one in asked["evaluations"]
    ]
    other = {
        "architecture": spaces.get("spos").architecture([0] * 20).to_dict(),
        "metrics": {"top1": 1.0},
    }
    mixed = {**asked, "evaluations": [*asked["evaluations"], other]}
    problem(
        http.post("/evaluations", json=mixed), 422, "invalid-value", "evaluations.4.architecture"
    )
    huge = {
        "architecture": {"space": "spos(repeats=(999999,9,9,9))", "choices": {}},
        "metrics": {"top1": 1.0},
    }
    asked["evaluations"] = [huge]
    problem(
        http.post("/evaluations", json=asked), 422, "unknown-name", "evaluations.0.architecture"
    )
    asked["evaluations"] = []
    problem(http.post("/evaluations", json=asked), 422, "invalid-value", "evaluations")


# Predictions


def test_predictions_equal_those_of_the_predictor(http: FlaskClient, world: Any) -> None:
    space = spaces.get(SPACE)
    codes = space.sample(np.random.default_rng(5), 5)
    found = space.decode(codes)
    given = [
        found[0].to_dict(),
        found[1].choices,
        codes[2].tolist(),
        found[3].to_dict(),
        codes[4].tolist(),
    ]
    answer = http.post(
        "/predict", json={"space": SPACE, "architectures": given, "device": "made-up"}
    ).json
    mean, deviation = predictor.load(world.predictors / "small.safetensors").predict(codes)
    latency = LookupTable.read(world.tables / "made-up.json").cost_model(space).estimate(codes)
    assert answer["predictor"] == "small"
    told = answer["predictions"]
    assert [one["architecture"] for one in told] == [
        architecture.to_dict() for architecture in found
    ]
    assert [one["score"] for one in told] == pytest.approx(mean)
    assert [one["deviation"] for one in told] == pytest.approx(deviation)
    assert [one["costs"]["latency_ms"] for one in told] == pytest.approx(latency)
    assert [one["costs"]["macs"] for one in told] == space.macs(codes).tolist()


@pytest.mark.parametrize(
    ("parts", "slug", "field"),
    [
        ({"space": "sops"}, "unknown-name", "space"),
        ({"space": "spos"}, "invalid-value", "predictor"),
        ({"predictor": "large"}, "unknown-name", "predictor"),
        ({"device": "mars"}, "unknown-name", "device"),
        ({"device": "lacking"}, "invalid-value", "device"),
        ({"architectures": []}, "invalid-value", "architectures"),
        ({"architectures": [[0] * 6] * 1001}, "invalid-value", "architectures"),
        ({"architectures": [[0] * 6, [9] * 6]}, "invalid-value", "architectures.1"),
        ({"architectures": [[0] * 5]}, "invalid-value", "architectures.0"),
        ({"architectures": [[10**30] + [0] * 5]}, "invalid-value", "architectures.0"),
        ({"architectures": [{}]}, "invalid-value", "architectures.0"),
        ({"architectures": [{"choices": 3}]}, "invalid-value", "architectures.0"),
        ({"architectures": [{"space": "spos", "choices": {}}]}, "invalid-value", "architectures.0"),
    ],
)
def test_impossible_predictions_are_refused(
    http: FlaskClient, problem: Any, parts: dict[str, Any], slug: str, field: str
) -> None:
    asked = {"space": SPACE, "architectures": [[0] * 6], **parts}
    problem(http.post("/predict", json=asked), 422, slug, field)


# Trainings


def test_a_trained_predictor_guides_a_search(
    app: APIFlask, http: FlaskClient, world: Any, problem: Any
) -> None:
    service = service_of(app)
    http.post("/evaluations", json=evaluations(30))
    asked = {
        "name": "mine",
        "evaluations": "measured",
        "options": {"encoder": available()[0], "metric": "top1"},
    }
    answer = http.post("/predictors", json=asked)
    assert (answer.status_code, answer.json["kind"]) == (202, "predictor")
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"
    job = service.store.leases.claim("e")
    assert job is not None
    task = PredictorTask.from_dict(job.task)
    assert (task.space, task.name, task.options) == (SPACE, "mine", asked["options"])
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
    http: FlaskClient, parts: dict[str, Any], status: int, field: str
) -> None:
    http.post("/evaluations", json=evaluations(30))
    asked = {"name": "mine", "evaluations": "measured", "options": {"metric": "top1"}, **parts}
    answer = http.post("/predictors", json=asked)
    assert (answer.status_code, json.loads(answer.data)["field"]) == (status, field)


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
