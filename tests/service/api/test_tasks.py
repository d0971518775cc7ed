"""Metrics of a run's or an evaluation's own task, in requests and in the catalog."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient
from safetensors.numpy import save_file

import spaces
from oneshot.tasks import Classification, register_task
from oneshot.tasks.registry import TASKS
from service.admission.tasks import PredictorTask, SearchTask
from service.app import create_app
from service.context import service_of
from service.settings import Settings
from tables.metrics import Metric

SPACE = "spos-tiny"
DEGREES = {"unit": "degrees", "higher_is_better": False}


@pytest.fixture
def angle() -> Iterator[None]:
    """A task whose metrics are an error in degrees and the fraction of errors below 10 degrees."""
    with TASKS.preserved():

        @register_task("angle")
        class Angle(Classification):
            metrics: ClassVar = {
                "degrees": Metric("degrees"),
                "close": Metric("percent", higher_is_better=True, title="errors below 10 degrees"),
            }

        yield


@pytest.fixture
def http(world: Any, tmp_path: Path, angle: None) -> Iterator[FlaskClient]:
    """A service with a supernet `plain` of no recorded task and one `turned` of `angle`."""
    import numpy as np

    for name, task in (("plain", {}), ("turned", {"task": "angle"})):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        settings = {"kind": "supernet", "space": SPACE, "data": {"name": "digits"}, **task}
        (folder / "run.json").write_text(json.dumps(settings), encoding="utf-8")
        save_file({"weight": np.zeros(1)}, folder / "weights.safetensors")
    app = create_app(
        Settings(
            tmp_path / "data", (world.tables,), (world.predictors,), supernets=(tmp_path / "runs",)
        )
    )
    yield app.test_client()
    service_of(app).stop()


def search(http: FlaskClient, **guide: Any) -> Any:
    return http.post("/search", json={"space": SPACE, "guide": {"kind": "supernet", **guide}})


def test_supernets_are_listed_with_their_tasks(http: FlaskClient) -> None:
    tasks = {item["name"]: item["task"] for item in http.get("/supernets").json["items"]}
    assert tasks == {"plain": "classification", "turned": "angle"}


@pytest.mark.parametrize(
    ("name", "rank_by"),
    [("plain", "top5"), ("turned", "close"), ("turned", "degrees=2,close=0.5")],
)
def test_search_ranks_by_metrics_of_the_task_of_the_run(
    http: FlaskClient, name: str, rank_by: str
) -> None:
    answer = search(http, name=name, rank_by=rank_by)
    assert answer.status_code == 202, answer.json
    assert answer.json["request"]["guide"]["rank_by"] == rank_by
    assert SearchTask.from_dict(job_task(http, answer)).rank_by == rank_by


@pytest.mark.parametrize(
    ("guide", "field", "words"),
    [
        ({"name": "plain", "rank_by": "top_1"}, "guide.rank_by", "did you mean 'top1'?"),
        ({"name": "turned", "rank_by": "top1"}, "guide.rank_by", "degrees, close"),
        ({"name": "turned", "rank_by": "degrees=-1"}, "guide.rank_by", "above 0"),
        ({"name": "plain", "rank_by": "top1=1,top1_pgd=1"}, "guide.rank_by", "top1_pgd"),
        ({"name": "plain", "under": ["claen=1"]}, "guide.under", "did you mean 'clean'?"),
        ({"name": "plain", "under": ["clean"]}, "guide.under", "NAME=WEIGHT"),
    ],
)
def test_ranking_by_other_metrics_is_refused(
    http: FlaskClient, guide: dict[str, Any], field: str, words: str
) -> None:
    answer = search(http, **guide)
    body = json.loads(answer.data)
    assert (answer.status_code, body["field"]) == (422, field)
    assert words in body["detail"]


def test_conditions_of_a_search_are_recorded_in_its_task(http: FlaskClient) -> None:
    answer = search(http, name="plain", under=["clean=0.5"], rank_by="top1")
    assert answer.status_code == 202, answer.json
    assert SearchTask.from_dict(job_task(http, answer)).under == ("clean=0.5",)


def test_conditions_are_for_supernets_only(http: FlaskClient) -> None:
    guide = {"kind": "predictor", "name": "small", "under": ["clean=1"]}
    answer = http.post("/search", json={"space": SPACE, "guide": guide})
    assert (answer.status_code, json.loads(answer.data)["field"]) == (422, "guide.under")


def test_evaluations_are_listed_with_their_task_and_the_units_of_its_metrics(
    http: FlaskClient,
) -> None:
    http.post("/evaluations", json=own_evaluations())
    entry = http.get("/evaluations").json["items"][0]
    assert (entry["task"], entry["default_metric"]) == ("angle", "degrees")
    assert entry["definitions"] == {"degrees": DEGREES}


def test_predictor_learns_the_score_of_the_evaluations_task_by_default(http: FlaskClient) -> None:
    http.post("/evaluations", json=own_evaluations())
    answer = http.post("/predictors", json={"name": "mine", "evaluations": "turned"})
    assert answer.status_code == 202, answer.json
    assert PredictorTask.from_dict(job_task(http, answer)).options == {}


def test_predictor_of_evaluations_of_no_task_needs_a_metric(http: FlaskClient) -> None:
    upload = own_evaluations(metrics={"a_test_acc": 1.0, "b_test_acc": 2.0}, source={})
    http.post("/evaluations", json=upload)
    answer = http.post("/predictors", json={"name": "mine", "evaluations": "turned"})
    body = json.loads(answer.data)
    assert (answer.status_code, body["field"]) == (422, "options.metric")
    assert body["known"] == ["a_test_acc", "b_test_acc"]


@pytest.mark.parametrize(
    ("task", "words"), [("angel", "did you mean 'angle'?"), ("angle(turns=3)", "turns")]
)
def test_retraining_of_a_task_that_is_unknown_is_refused(
    http: FlaskClient, task: str, words: str
) -> None:
    architecture = spaces.get(SPACE).architecture([0] * 6).to_dict()
    answer = http.post("/retrain", json={"architecture": architecture, "options": {"task": task}})
    body = json.loads(answer.data)
    assert (answer.status_code, body["field"]) == (422, "options.task")
    assert words in body["detail"]


def own_evaluations(
    metrics: dict[str, float] | None = None, source: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The body of an upload of 30 evaluations of the task `angle`, or of others."""
    import numpy as np

    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 80), axis=0)[:30]
    recorded = {"kind": "supernet", "task": "angle", "metrics": {"degrees": DEGREES}}
    return {
        "name": "turned",
        "evaluations": [
            {
                "architecture": architecture.to_dict(),
                "metrics": metrics or {"degrees": float(np.log(macs))},
                "source": recorded if source is None else source,
            }
            for architecture, macs in zip(
                space.decode(codes), space.macs(codes).tolist(), strict=True
            )
        ],
    }


def job_task(http: FlaskClient, answer: Any) -> dict[str, Any]:
    job: dict[str, Any] = service_of(http.application).store.jobs.get(answer.json["id"]).task
    return job
