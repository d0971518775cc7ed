"""Verdicts on predictors and searches by a small benchmark."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import predictor
import spaces
from predictor.errors import InvalidValues, TooFewArchitectures
from predictor.training import PredictorTraining, TrainingSettings
from predictor.verdict.benchmark import benchmark_name, judge_candidates, judge_predictor
from predictor.verdict.judging import judge
from spaces.console.progress import Bar
from tables import Evaluation
from tables.benchmarks.oracle import Benchmark
from tables.benchmarks.records import Records

SPACE = spaces.get("nasbench201")


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    """120 cells whose accuracy grows with the logarithm of their MACs."""
    codes = np.unique(SPACE.sample(np.random.default_rng(0), 160), axis=0)[:120]
    accuracies = 50 + np.log(SPACE.macs(codes).astype(float))
    noise = np.random.default_rng(1).normal(0, 0.5, len(codes))
    columns = {
        ("cifar10_test_acc", 200): accuracies + noise,
        ("cifar100_test_acc", 200): accuracies - 2 * noise,
    }
    return Benchmark("small", Records(SPACE.name, SPACE.check(codes), columns))


@pytest.fixture(scope="module")
def model(benchmark: Benchmark) -> predictor.Predictor:
    model = predictor.make("forest", SPACE)
    rows = np.arange(40)
    model.fit(benchmark.codes()[rows], benchmark.values("cifar10_test_acc")[rows])
    return model


def test_predictor_is_judged_on_networks_that_it_was_not_trained_on(
    benchmark: Benchmark, model: predictor.Predictor
) -> None:
    verdict = judge_predictor(model, benchmark, benchmark.codes()[:40])
    rows = np.arange(40, 120)
    scores, _ = model.predict(benchmark.codes()[rows])
    truth = benchmark.values("cifar10_test_acc")[rows]
    direct = judge(scores, truth, (1.0, 5.0), 1.0, "this predictor")
    assert verdict == {"truth": "cifar10_test_acc of small", **direct.to_dict()}
    assert verdict["networks"] == 80


def test_predictor_of_a_data_set_is_judged_by_the_accuracies_on_it(
    benchmark: Benchmark, model: predictor.Predictor
) -> None:
    model.record_training({"metric": "cifar100_valid_acc"})
    verdict = judge_predictor(model, benchmark, benchmark.codes()[:40])
    assert verdict["truth"] == "cifar100_test_acc of small"


def test_predictor_that_was_trained_on_the_whole_benchmark_is_not_judged(
    benchmark: Benchmark, model: predictor.Predictor
) -> None:
    with pytest.raises(TooFewArchitectures, match="at least 10 networks"):
        judge_predictor(model, benchmark, benchmark.codes())


def test_candidates_of_a_search_are_judged_where_the_benchmark_has_them(
    benchmark: Benchmark,
) -> None:
    others = SPACE.sample(np.random.default_rng(9), 30)
    others = others[benchmark.find_rows(others) < 0]
    codes = np.concatenate([benchmark.codes()[:50], others])
    scores = np.arange(len(codes), dtype=float)
    verdict = judge_candidates(scores, codes, benchmark, "this supernet")
    assert verdict is not None
    assert verdict["networks"] == 50
    assert "this supernet prefers" in verdict["sentence"]
    assert judge_candidates(scores[:9], codes[:9], benchmark, "this supernet") is None


@pytest.fixture
def macro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Evaluations of 40 networks of NAS-Bench-Macro, with a benchmark of 120."""
    space = spaces.get("nasbench-macro")
    codes = np.unique(space.sample(np.random.default_rng(0), 160), axis=0)[:120]
    accuracies = 50 + np.log(space.macs(codes).astype(float))
    entries = {
        "".join(map(str, row)): {"test_acc": [value] * 3, "params": 1e6, "flops": 1e8}
        for row, value in zip(codes.tolist(), accuracies.tolist(), strict=True)
    }
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "nas-bench-macro_cifar10.json").write_text(json.dumps(entries), encoding="utf-8")
    monkeypatch.setenv("PATHFIT_DATA", str(folder))
    lines = [
        Evaluation(item, {"top1": value}, {"kind": "supernet"}).to_json()
        for item, value in zip(space.decode(codes[:40]), accuracies.tolist(), strict=False)
    ]
    (tmp_path / "evaluations.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_training_records_the_verdict_of_its_space(macro: Path) -> None:
    training = run(macro, "nasbench-macro")
    name = benchmark_name(training.data.space)
    assert name == "nasbench-macro"
    verdict = training.judge(name)
    assert verdict["networks"] == 120 - training.count
    training.save("test")
    loaded = predictor.load(macro / "forest.safetensors")
    assert loaded.trained_on["verdict"] == verdict
    assert loaded.trained_on["metric"] == "top1"


def test_refitted_predictor_is_judged_on_networks_outside_all_evaluations(macro: Path) -> None:
    training = run(macro, "nasbench-macro")
    training.refit()
    assert training.judge("nasbench-macro")["networks"] == 80


def test_benchmark_of_another_space_is_refused(macro: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tables.benchmarks.registry.benchmark", lambda name: other())
    with pytest.raises(InvalidValues, match="the benchmark other is of nasbench201"):
        run(macro, "nasbench-macro").judge("other")


def other() -> Benchmark:
    codes = SPACE.check(np.array([[0, 1, 2, 3, 4, 0], [3, 3, 3, 3, 3, 3]]))
    columns = {("cifar10_test_acc", 200): np.array([85.0, 91.0])}
    return Benchmark("other", Records(SPACE.name, codes, columns))


def run(folder: Path, space: str) -> PredictorTraining:
    settings = TrainingSettings(space, "forest", "forest", None, 0.75)
    output = folder / "forest.safetensors"
    training = PredictorTraining(folder / "evaluations.jsonl", settings, output, Bar)
    training.run()
    return training
