"""Kinds of jobs: tasks of each kind, run as an attempt in this process."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import predictor
import spaces
from oneshot.retraining.short_settings import ShortTrainingSettings
from oneshot.retraining.short_training import ShortTraining
from oneshot.search.guide_registry import guide_named
from oneshot.search.training_guide import ShortTrainingOptions
from service.admission.tasks import (
    ColumnFile,
    FinalistsTask,
    PredictorTask,
    RetrainTask,
    SearchTask,
)
from service.catalog.files import FileReference
from service.engine.reports import Assignment, Done, Stopped
from service.jobs import JobError
from service.kinds import KINDS, get
from service.kinds.base import Context
from service.kinds.command import CommandFailed
from spaces.architecture import Architecture
from spaces.errors import UnknownName
from spaces.files import write_text
from tables.benchmarks import compact
from tables.benchmarks.records import Records
from tests.service.engine.bench import Bench

SPACE = "spos-tiny"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def search_task(world: Any, **parts: Any) -> SearchTask:
    path = world.predictors / "small.safetensors"
    values: dict[str, Any] = {
        "space": SPACE,
        "table": FileReference.from_path("made-up", world.tables / "made-up.json"),
        "predictor": FileReference.from_path("small", path),
        "limits": {"latency_ms": 5.0},
        "margin": 1.64,
        "strategy": "random",
        "options": {"evaluations": 30},
        "count": 2,
        "seed": 3,
    }
    return SearchTask(**{**values, **parts})


def test_a_task_survives_a_json_round_trip(world: Any) -> None:
    task = search_task(world, objectives=("macs",))
    again = SearchTask.from_dict(json.loads(json.dumps(task.to_dict())))
    assert again.to_dict() == json.loads(json.dumps(task.to_dict()))
    assert again.predictor == task.predictor


def test_candidates_of_a_search_are_stored_but_not_in_its_answer(bench: Bench, world: Any) -> None:
    report = bench.run("search", search_task(world).to_dict())
    assert isinstance(report, Done)
    assert report.assignment == Assignment("job", 1)
    assert report.artifact == "job/1/result.json"
    assert "candidates" not in report.result
    assert len(report.result["best"]) == 2
    complete = json.loads(bench.read("result.json"))
    assert len(complete["candidates"]["codes"]) == 30
    assert bench.reports[-1].progress["evaluated"] == 30


def test_finalists_of_a_search_are_ordered_by_short_trainings(
    bench: Bench, world: Any, tmp_path: Path
) -> None:
    """They are the best networks of the search without finalists, trained as the command does."""
    before = bench.run("search", search_task(world).to_dict())
    codes = json.loads(bench.read("result.json"))["candidates"]["codes"]
    training = {"steps": 3, "rungs": 2, "images": 60}
    finalists = FinalistsTask(3, "digits", training)

    after = bench.run("search", search_task(world, finalists=finalists).to_dict(), attempt=2)

    assert isinstance(after, Done), after
    complete = json.loads(bench.read("result.json", attempt=2))
    strategy = complete["strategy"]
    assert (strategy["name"], strategy["options"]["evaluated"]) == ("finalists", 30)
    chosen = [codes[rank] for rank in strategy["options"]["ranks"]]
    assert complete["candidates"]["codes"] == chosen
    assert strategy["options"]["guide"] == before.result["guide"]

    options = ShortTrainingOptions(tmp_path / "again", ShortTrainingSettings.from_options(training))
    guide = guide_named("train:digits", spaces.get(SPACE), training=options)
    scores, _ = guide.score(np.array(sorted(chosen, key=codes.index)))
    assert sorted(complete["candidates"]["scores"]) == pytest.approx(sorted(scores))
    assert after.result["guide"] == guide.to_dict()
    assert bench.reports[-1].progress["finalists"] == {"share": 1.0, "state": "rung 2/2, 2/2"}


def test_trainings_of_finalists_are_not_repeated_by_another_attempt(
    bench: Bench, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finalists = FinalistsTask(3, "digits", {"steps": 3, "rungs": 1, "images": 60})
    task = search_task(world, finalists=finalists).to_dict()
    undisturbed = bench.run("search", task, attempt=1)
    trained: list[list[int]] = []
    train = ShortTraining._train

    def counted(self: ShortTraining, codes: list[int], rung: int, folder: Path) -> None:
        trained.append(codes)
        train(self, codes, rung, folder)

    monkeypatch.setattr(ShortTraining, "_train", counted)
    other = Bench(tmp_path / "other")
    other.enough = lambda: len(trained) == 2
    assert isinstance(other.run("search", task, attempt=1), Stopped)
    other.enough = lambda: False
    resumed = other.run("search", task, attempt=2)

    assert isinstance(resumed, Done), resumed
    assert resumed.result["best"] == undisturbed.result["best"]
    # Two before, and one after.
    assert len(trained) == 3


def test_a_data_set_of_finalists_that_cannot_be_loaded_ends_the_job_before_the_search(
    bench: Bench, world: Any, tmp_path: Path
) -> None:
    finalists = FinalistsTask(3, str(tmp_path / "nowhere"))
    report = bench.run("search", search_task(world, finalists=finalists).to_dict())
    assert "nowhere" in report.error.detail
    assert bench.reports == []


def test_scores_of_a_search_are_judged_by_the_benchmark_of_its_space(
    bench: Bench, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = spaces.get("nasbench-macro")
    codes = np.concatenate(list(space.enumerate_codes()))
    accuracies = codes.sum(1).astype(float)
    columns = {("cifar10_test_acc", None): accuracies}
    records = Records(space.name, codes, columns)
    compact.write(tmp_path / "nasbench-macro.npz", "nasbench-macro", records, {}, "tests")
    monkeypatch.setenv("PATHFIT_DATA", str(tmp_path))
    model = predictor.make("forest", space)
    model.fit(codes[::200], accuracies[::200])
    model.save(tmp_path / "macro.safetensors")

    guide = FileReference.from_path("macro", tmp_path / "macro.safetensors")
    task = search_task(world, space=space.name, table=None, predictor=guide, limits={})
    report = bench.run("search", task.to_dict())
    verdict = report.result["verdict"]
    assert (verdict["truth"], verdict["networks"]) == ("cifar10_test_acc of nasbench-macro", 30)
    assert verdict["figures"][0]["value"] > 0
    assert verdict == json.loads(bench.read("result.json"))["verdict"]
    # Without a benchmark of the space there is no truth.
    assert "verdict" not in bench.run("search", search_task(world).to_dict()).result


def test_uploads_are_read_from_the_artifacts_where_their_path_is_missing(
    bench: Bench, world: Any, tmp_path: Path
) -> None:
    here = bench.run("search", search_task(world).to_dict())
    files = {
        "table": world.tables / "made-up.json",
        "predictor": world.predictors / "small.safetensors",
    }
    uploads = {}
    for name, path in files.items():
        artifact, sha256 = bench.artifacts.keep(path.read_bytes())
        uploads[name] = FileReference(path.stem, "/on/another/machine", sha256, artifact)

    elsewhere = bench.run("search", search_task(world, **uploads).to_dict(), attempt=2)

    assert isinstance(elsewhere, Done), elsewhere
    assert elsewhere.result["front"] == here.result["front"]
    forged = replace(uploads["table"], sha256="0" * 64)
    report = bench.run("search", search_task(world, table=forged).to_dict(), attempt=3)
    assert "was changed after" in report.error.detail


def test_evaluations_of_another_machine_are_read_from_the_artifacts(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = evaluations(tmp_path / "evaluations.jsonl", 20)
    artifact, _ = bench.artifacts.keep(Path(data.path).read_bytes())
    contents: list[bytes] = []

    def remember(command: list[str], *_: Any) -> None:
        contents.append(Path(command[command.index("--data") + 1]).read_bytes())
        raise CommandFailed("enough")

    monkeypatch.setattr("service.kinds.predictor.run", remember)
    upload = replace(data, path="/on/another/machine", artifact=artifact)
    bench.run("predictor", PredictorTask(SPACE, upload, "fresh").to_dict())
    assert contents == [Path(data.path).read_bytes()]


def test_objectives_of_a_search_are_reported(bench: Bench, world: Any) -> None:
    task = search_task(
        world, strategy="pareto", options={"population": 10, "generations": 2}, limits={}
    )
    report = bench.run("search", {**task.to_dict(), "objectives": ["latency_ms", "params"]})
    assert isinstance(report, Done), report
    assert report.result["objectives"] == ["latency_ms", "params"]


def test_impossible_tasks_fail_with_a_sentence(bench: Bench, world: Any, tmp_path: Path) -> None:
    complete = search_task(world).to_dict()
    gone = {
        **complete,
        "predictor": {**complete["predictor"], "path": str(tmp_path / "gone.safetensors")},
    }
    assert bench.run("search", gone).error == JobError(
        "InvalidFile", f"cannot read {tmp_path}/gone.safetensors: No such file or directory"
    )
    none = {**complete, "predictor": None}
    assert bench.run("search", none).error.detail.startswith("the search has no guide")
    assert bench.run("search", {"nonsense": 1}).error.kind in ("KeyError", "TypeError")
    assert bench.run("dance", {}).error.kind == "UnknownName"
    with pytest.raises(UnknownName, match=r"predictor.*retrain.*search"):
        get("dance")
    assert sorted(KINDS) == ["measure", "pipeline", "predictor", "retrain", "search"]


def test_a_cancelled_search_reports_that_it_stopped(bench: Bench, world: Any) -> None:
    bench.enough = lambda: len(bench.reports) >= 2
    report = bench.run(
        "search", search_task(world, strategy="evolution", options={"generations": 50}).to_dict()
    )
    assert report == Stopped(Assignment("job", 1))


def test_an_artifact_that_cannot_be_written_fails_the_job(
    bench: Bench, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    report = bench.run("search", search_task(world).to_dict())
    assert report.error.kind == "ArtifactFailed"
    assert "No space left on device" in report.error.detail


def evaluations(path: Path, count: int) -> FileReference:
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(1), 2 * count), axis=0)[:count]
    macs = np.log(space.macs(codes))
    lines = [
        json.dumps(
            {
                "architecture": architecture.to_dict(),
                "metrics": {"cross_entropy": 20 - float(value), "top1": 50.0},
                "source": {"kind": "test"},
            }
        )
        for architecture, value in zip(space.decode(codes), macs, strict=True)
    ]
    write_text(path, "\n".join(lines) + "\n")
    return FileReference.from_path("given", path)


@pytest.mark.slow
def test_a_predictor_is_trained_as_by_the_command(bench: Bench, tmp_path: Path) -> None:
    import predictor

    data = evaluations(tmp_path / "evaluations.jsonl", 40)
    task = PredictorTask(SPACE, data, "fresh", {"encoder": "forest", "baseline": "forest"}, seed=4)
    report = bench.run("predictor", task.to_dict())
    assert isinstance(report, Done), report
    assert report.artifact == "job/1/predictor.safetensors"
    assert report.result["name"] == "fresh"
    path = bench.artifacts.local(report.artifact, tmp_path)
    assert predictor.load(path).space.name == SPACE
    assert bench.reports[-1].progress["share"] == 1.0
    few = PredictorTask(
        SPACE, evaluations(tmp_path / "few.jsonl", 12), "few", {"encoder": "forest"}
    )
    assert "leaves fewer than 5 to test on" in bench.run("predictor", few.to_dict()).error.detail


@pytest.mark.slow
def test_a_retraining_resumes_from_the_checkpoint_of_the_previous_attempt(
    bench: Bench, tmp_path: Path
) -> None:
    space = spaces.get(SPACE)
    architecture = space.decode(np.zeros((1, len(space.choices)), dtype=np.int8))[0].to_dict()
    options = {
        "steps": 8,
        "batch_size": 16,
        "checkpoint_every": 2,
        "report_every": 1,
        "tensorboard": False,
    }
    options |= {"limit": 200, "epochs": None}
    task = RetrainTask(architecture, "digits", options, seed=5).to_dict()
    undisturbed = bench.run("retrain", task)
    assert isinstance(undisturbed, Done), undisturbed
    weights = bench.read("weights.safetensors")
    assert undisturbed.result["test"]["images"] > 0
    assert "command" not in json.loads(bench.read("run.json"))

    other = Bench(tmp_path / "other")
    other.enough = lambda: other.artifacts.exists("job/1/kept-last.ckpt")
    first = other.run("retrain", task)
    if isinstance(first, Done):
        pytest.skip("it was done before it could be stopped")
    assert isinstance(first, Stopped)
    other.enough = lambda: False
    second = other.run("retrain", task, attempt=2)
    assert isinstance(second, Done), second
    assert other.read("weights.safetensors", 2) == weights
    assert second.result == undisturbed.result


def test_served_settings_contain_no_folder(tmp_path: Path) -> None:
    from service.kinds.retrain import _public_files

    settings = {
        "command": "python -m oneshot retrain -o /srv/jobs/1",
        "data": {"name": "cifar10:/srv/images", "num_classes": 10},
        "init": {"run": "/srv/runs/supernet", "weights": "0123"},
    }
    (tmp_path / "run.json").write_text(json.dumps(settings))
    content = _public_files(tmp_path)["run.json"]
    assert isinstance(content, bytes)
    assert json.loads(content) == {
        "data": {"name": "cifar10", "num_classes": 10},
        "init": {"run": "supernet", "weights": "0123"},
    }
    assert json.loads((tmp_path / "run.json").read_text()) == settings
    # Of tasks without pictures there is none.
    assert "test.png" not in _public_files(tmp_path)
    (tmp_path / "test.png").write_bytes(b"picture")
    assert _public_files(tmp_path)["test.png"] == tmp_path / "test.png"


def test_columns_are_named_as_in_the_catalog(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = evaluations(tmp_path / "evaluations.jsonl", 20)
    mine = replace(file, name="ada/proxies")
    theirs = replace(file, name="bob/proxies")
    linked: dict[str, bytes] = {}
    commands: list[list[str]] = []

    def remember(command: list[str], context: Context, *_: Any) -> None:
        commands.append(command)
        linked.update({path.name: path.read_bytes() for path in context.folder.glob("*.jsonl")})
        raise CommandFailed("enough")

    monkeypatch.setattr("service.kinds.predictor.run", remember)
    columns = [ColumnFile(mine, "meco"), ColumnFile(mine, "naswot"), ColumnFile(theirs)]
    task = PredictorTask(SPACE, None, "votes", columns=columns)
    bench.run("predictor", json.loads(json.dumps(task.to_dict())))

    texts = [part for part in commands[0] if part.startswith("--columns=")]
    assert texts == [
        "--columns=proxies.jsonl:meco",
        "--columns=proxies.jsonl:naswot",
        "--columns=_proxies.jsonl",
    ]
    assert linked == dict.fromkeys(
        ("proxies.jsonl", "_proxies.jsonl"), Path(file.path).read_bytes()
    )
    assert "--data" not in commands[0]


@pytest.mark.slow
def test_experts_learn_columns_as_by_the_command(bench: Bench, tmp_path: Path) -> None:
    data = evaluations(tmp_path / "evaluations.jsonl", 40)
    others = replace(evaluations(tmp_path / "others.jsonl", 20), name="ada/others")
    options = {"encoder": "dele", "baseline": "forest"}
    columns = [ColumnFile(others, "cross_entropy")]
    task = PredictorTask(SPACE, data, "experts", options, columns=columns)

    report = bench.run("predictor", json.loads(json.dumps(task.to_dict())))

    assert isinstance(report, Done), report
    model = predictor.load(bench.artifacts.local(report.artifact, tmp_path))
    assert model.trained_on["columns"] == ["others.jsonl:cross_entropy"]
    assert report.result["report"]["tested_on"] == 8


def test_lower_bounds_guide_a_search(bench: Bench, world: Any) -> None:
    by_mean = bench.run("search", search_task(world).to_dict()).result
    bounded = bench.run("search", search_task(world, lower_bound=True).to_dict(), attempt=2).result

    assert by_mean["guide"]["kind"] == "predictor"
    assert bounded["guide"]["kind"] == "lower-bound"
    best = bounded["best"][0]
    codes = spaces.get(SPACE).encode([Architecture.from_dict(best["architecture"])])
    mean, _ = predictor.load(world.predictors / "small.safetensors").predict(codes)
    assert best["deviation"] > 0
    assert best["score"] == pytest.approx(float(mean[0]) - best["deviation"])
