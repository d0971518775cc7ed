"""Searches guided by a benchmark use the benchmark's files as accepted."""

import json
from pathlib import Path

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from oneshot.search.guide import BenchmarkGuide
from service.admission.tasks import PredictorTask, SearchTask
from service.catalog.files import ChangedFile
from service.context import service_of
from service.kinds.search import problem_of
from spaces.files import digest
from tables.benchmarks import compact
from tables.benchmarks.records import Records

NAME = "nasbench-macro"


def write(folder: Path, shift: float = 0.0) -> Path:
    """A benchmark in which networks are the better the later their candidates stand."""
    space = spaces.get(NAME)
    codes = np.concatenate(list(space.enumerate_codes()))
    path = folder / f"{NAME}.npz"
    columns = {("cifar10_test_acc", None): codes.sum(1) + shift}
    compact.write(path, NAME, Records(space.name, codes, columns), {"file": "made up"}, "tests")
    return path


def test_benchmark_files_are_pinned_and_checked(
    app: APIFlask, http: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    path = write(first)
    monkeypatch.setenv("PATHFIT_DATA", str(first))
    answer = http.post("/search", json={"space": NAME, "guide": {"kind": "benchmark"}})
    assert answer.status_code == 202, answer.json
    stored = service_of(app).store.jobs.get(answer.json["id"]).task
    task = SearchTask.from_dict(json.loads(json.dumps(stored)))
    assert [(file.name, file.path, file.sha256) for file in task.benchmark_files] == [
        (path.name, str(path), digest(path))
    ]
    guide = problem_of(task).guide
    assert isinstance(guide, BenchmarkGuide)
    # The same files elsewhere do as well.
    (tmp_path / "second").mkdir()
    path.rename(tmp_path / "second" / path.name)
    monkeypatch.setenv("PATHFIT_DATA", str(tmp_path / "second"))
    assert problem_of(task).guide.to_dict()["name"] == NAME
    write(tmp_path / "second", shift=1.0)
    with pytest.raises(
        ChangedFile,
        match="the files of the benchmark 'nasbench-macro' are not those that this search",
    ):
        problem_of(task)


def test_a_device_of_a_benchmark_limits_a_search(
    app: APIFlask, http: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHFIT_DATA", str(tmp_path))
    space = spaces.get(NAME)
    codes = np.concatenate(list(space.enumerate_codes()))
    columns = {
        ("cifar10_test_acc", None): codes.sum(1) + 0.5,
        ("latency_ms@raspi4", None): codes.sum(1) + 1.0,
    }
    path = tmp_path / f"{NAME}.npz"
    compact.write(path, NAME, Records(space.name, codes, columns), {"file": "made up"}, "tests")

    body = {
        "space": NAME,
        "guide": {"kind": "benchmark"},
        "device": "raspi4",
        "constraints": {"latency_ms": {"max": 9}},
        "objectives": ["latency_ms"],
    }
    answer = http.post("/search", json=body)
    assert (answer.status_code, answer.json["request"]["device"]) == (202, "raspi4"), answer.json
    stored = service_of(app).store.jobs.get(answer.json["id"]).task
    task = SearchTask.from_dict(json.loads(json.dumps(stored)))
    problem = problem_of(task)
    assert problem.feasible(codes).tolist() == (codes.sum(1) <= 8).tolist()

    unknown = http.post("/search", json={**body, "device": "raspi5"})
    assert (unknown.status_code, json.loads(unknown.data)["field"]) == (422, "device")
    assert "raspi4" in json.loads(unknown.data)["known"]

    columns[("latency_ms@raspi4", None)] = codes.sum(1) + 2.0
    compact.write(path, NAME, Records(space.name, codes, columns), {"file": "made up"}, "tests")
    with pytest.raises(ChangedFile, match=NAME):
        problem_of(task)


def test_predictor_of_a_space_with_a_benchmark_is_judged_by_it(
    app: APIFlask, http: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATHFIT_REFERENCE_DATA", raising=False)
    space = spaces.get(NAME)
    codes = np.unique(space.sample(np.random.default_rng(0), 60), axis=0)[:30]
    lines = [
        {"architecture": item.to_dict(), "metrics": {"top1": float(row)}, "source": {}}
        for row, item in enumerate(space.decode(codes))
    ]
    http.post("/evaluations", json={"name": "macro", "evaluations": lines})
    assert judged_by(app, http) is None
    write(tmp_path)
    monkeypatch.setenv("PATHFIT_DATA", str(tmp_path))
    assert judged_by(app, http) == NAME

    # Accuracies of a benchmark are no truth of another task.
    source = {"task": "angle", "metrics": {"top1": {"unit": "degrees"}}}
    lines = [{**line, "source": source} for line in lines]
    http.post("/evaluations", json={"name": "macro", "evaluations": lines})
    assert judged_by(app, http) is None


def judged_by(app: APIFlask, http: FlaskClient) -> str | None:
    """The benchmark of a predictor that is requested now."""
    answer = http.post("/predictors", json={"name": "mine", "evaluations": "macro"})
    assert answer.status_code == 202, answer.json
    return PredictorTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task).benchmark
