"""True values of a supernet's evaluations, and the verdict in the folder of its run."""

import json
from pathlib import Path

import numpy as np
import pytest

import spaces
from oneshot.errors import InvalidOption
from oneshot.evaluation.verdicts import VERDICT, Truth, record_verdict
from oneshot.run import read_run
from predictor.verdict import Scores
from tables import Evaluation
from tables.benchmarks.oracle import Benchmark
from tables.benchmarks.records import Records

SPACE = spaces.get("nasbench201")
CODES = np.unique(SPACE.sample(np.random.default_rng(0), 40), axis=0)[:30]


def write(path: Path, values: np.ndarray) -> Path:
    lines = [
        Evaluation(item, {"top1": float(value)}, {"kind": "supernet"}).to_json()
        for item, value in zip(SPACE.decode(CODES), values, strict=True)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a supernet's run with weights that nothing reads."""
    path = tmp_path / "supernet"
    path.mkdir()
    settings = {"kind": "supernet", "space": SPACE.name, "data": {"name": "digits"}, "seed": 0}
    (path / "run.json").write_text(json.dumps(settings), encoding="utf-8")
    (path / "weights.safetensors").write_bytes(b"weights")
    return path


def test_file_and_benchmark_exclude_each_other(tmp_path: Path) -> None:
    assert Truth.load(None, None, SPACE) is None
    with pytest.raises(InvalidOption, match="not both"):
        Truth.load(write(tmp_path / "t.jsonl", np.arange(30.0)), "nasbench201", SPACE)


def test_benchmark_of_another_space_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {("cifar10_test_acc", 200): np.arange(30.0)}
    table = Benchmark("small", Records(SPACE.name, SPACE.check(CODES), columns))
    monkeypatch.setattr("tables.benchmarks.registry.benchmark", lambda name: table)
    assert Truth.load(None, "small", SPACE) is not None
    with pytest.raises(InvalidOption, match="small is of nasbench201, not spos-tiny"):
        Truth.load(None, "small", spaces.get("spos-tiny"))


def test_verdict_is_recorded_next_to_the_run(tmp_path: Path, folder: Path) -> None:
    truth = Truth.load(write(tmp_path / "truth.jsonl", np.arange(30.0)), None, SPACE)
    assert truth is not None
    scores = Scores.from_file(write(tmp_path / "scores.jsonl", np.arange(30.0) ** 2))
    judged = truth.judged(scores)
    path = record_verdict(read_run(folder), judged.judge(), judged)
    assert path == folder / VERDICT

    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert (recorded["metric"], recorded["truth"]) == ("top1", "top1 of truth.jsonl")
    assert recorded["networks"] == 30
    assert recorded["figures"][0]["value"] == 1.0
