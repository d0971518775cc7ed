"""Lists of what requests may name, bounds of spaces and tables, and guides."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.admission.tasks import SearchTask
from service.app import create_app
from service.context import service_of
from service.settings import Settings
from spaces.files import digest
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"


def test_lists_contain_every_kind_of_entry(http: FlaskClient) -> None:
    entries = {
        name: {item["name"]: item for item in http.get(f"/{name}").json["items"]} for name in LISTS
    }
    assert {"spos", SPACE} <= set(entries["spaces"])
    assert entries["spaces"][SPACE]["architectures"] == 4096
    assert {"made-up", "lacking", "broken"} <= set(entries["tables"])
    assert entries["tables"]["made-up"]["space"] == SPACE
    assert "not JSON" in entries["tables"]["broken"]["error"]
    assert entries["predictors"]["small"]["space"] == SPACE
    assert "is not a predictor's file" in entries["predictors"]["broken"]["error"]
    assert entries["benchmarks"]["nasbench201"]["space"] == "nasbench201"
    assert set(entries["data-sets"]) == {"digits"}
    assert {"pathfit", "nni", "spos", "ofa"} <= set(entries["formats"])
    assert entries["strategies"]["random"]["options"]


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
    content = http.get(f"/spaces/{SPACE}").json
    assert list(content["choices"]) == [choice.key for choice in space.choices]
    macs = space.macs(np.concatenate(list(space.enumerate_codes())))
    assert (content["bounds"]["macs"]["least"], content["bounds"]["macs"]["greatest"]) == (
        macs.min(),
        macs.max(),
    )
    for name in ("sops", "spos(repeats=(9999999,9999999,9999999))", "..", "%2e%2e%2f"):
        answer = http.get(f"/spaces/{name}")
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert SPACE in problem(http.get("/spaces/sops"), 404, "unknown-space", "name")["known"]


def test_bounds_equal_those_over_all_networks(http: FlaskClient, world: Any, problem: Any) -> None:
    content = http.get(f"/tables/made-up/bounds?space={SPACE}").json
    model = LookupTable.read(world.tables / "made-up.json").cost_model(spaces.get(SPACE))
    every = model.estimate(np.concatenate(list(spaces.get(SPACE).enumerate_codes())))
    latency = content["metrics"]["latency_ms"]
    assert (latency["least"], latency["greatest"]) == pytest.approx((every.min(), every.max()))
    assert (latency["unit"], latency["exact"], latency["sigma"]) == (
        "ms",
        True,
        pytest.approx(model.sigma),
    )
    assert set(content["metrics"]) == {"latency_ms", "macs", "params"}
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
    assert task.rank_by is None

    ranked = {"kind": "supernet", "rank_by": "top1"}
    job_id = http.post("/search", json={"space": SPACE, "guide": ranked}).json["id"]
    assert SearchTask.from_dict(store.jobs.get(job_id).task).rank_by == "top1"
    answer = http.post("/search", json={"space": SPACE, "guide": {"rank_by": "top1"}})
    problem(answer, 422, "invalid-value", "guide.rank_by")

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
    body = {
        "space": "nasbench-macro",
        "guide": {"kind": "benchmark"},
        "objectives": ["accuracy", "flops"],
    }
    answer = http.post("/search", json=body)
    assert answer.json["request"]["guide"]["name"] == "nasbench-macro"
    task = SearchTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
    assert (task.benchmark, task.objectives) == ("nasbench-macro", ("macs",))
    # Where latency counts, the space's only table is the device.
    on_device = http.post("/search", json={**body, "constraints": {"latency_ms": {"max": 1000}}})
    assert on_device.json["request"]["device"] == "amd-epyc-nasbench-macro-b1-fp32-t2"
    assert [Path(file.path).name for file in task.benchmark_files] == [
        "nas-bench-macro_cifar10.json"
    ]
    assert [file.sha256 for file in task.benchmark_files] == [
        digest(Path(file.path)) for file in task.benchmark_files
    ]
    body["guide"]["metric"] = "luck"
    problem(http.post("/search", json=body), 422, "unknown-name", "guide.metric")


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
