"""The benchmarks of search quality, on tables with known answers."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

import spaces
from tables.benchmarks import Benchmark
from tables.benchmarks.records import Records

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_regret_is_relative_to_the_best_under_each_constraint() -> None:
    constrained = script("constrained_search")
    rng = np.random.default_rng(0)
    truth, latency = rng.random(400) * 100, rng.random(400)
    alone, looked_up, broken = constrained.regrets(truth, truth, latency)
    assert (alone.tolist(), looked_up.tolist(), broken) == ([0] * 10, [0] * 10, 0)
    predicted = truth + rng.normal(0, 10, 400)
    alone, looked_up, broken = constrained.regrets(predicted, truth, latency)
    assert broken == 0
    for place, percent in enumerate(np.linspace(10, 90, 10)):
        inside = [row for row in range(400) if latency[row] <= np.percentile(latency, percent)]
        best = max(truth[row] for row in inside)
        ranked = sorted(inside, key=lambda row: -predicted[row])
        assert alone[place] == pytest.approx(best - truth[ranked[0]])
        assert looked_up[place] == pytest.approx(min(best - truth[row] for row in ranked[:10]))


@pytest.fixture
def cells() -> Benchmark:
    """All cells of NAS-Bench-201; the accuracy counts their 3x3 convolutions, the last edge's one
    twice.
    """
    space = spaces.get("nasbench201")
    codes = np.concatenate(list(space.enumerate_codes()))
    accuracy = (codes == 3).sum(1) + (codes[:, 5] == 3) + 87.5
    columns = {("cifar10_valid_acc", 200): accuracy, ("cifar10_test_acc", 200): accuracy}
    return Benchmark("nasbench201", Records(space.name, codes, columns))


@pytest.mark.parametrize("strategy", ["random", "aging"])
def test_a_run_reports_the_best_of_its_first_evaluations(cells: Benchmark, strategy: str) -> None:
    efficiency = script("sample_efficiency")
    options = efficiency.strategies("gp", 10, 5, 0.5, 1000)[strategy]
    found = efficiency.one_run(cells, strategy, options, 3)
    values = [found["test"][str(budget)] for budget in efficiency.BUDGETS]
    assert values == sorted(values)
    assert values == [found["validation"][str(budget)] for budget in efficiency.BUDGETS]
    assert (found["to_target"] is not None) == (values[-1] >= efficiency.TARGET)
    if found["to_target"] is not None:
        smaller = [
            value
            for budget, value in zip(efficiency.BUDGETS, values, strict=True)
            if budget < found["to_target"]
        ]
        assert all(value < efficiency.TARGET for value in smaller)


def test_every_strategy_is_planned_for_the_largest_budget() -> None:
    efficiency = script("sample_efficiency")
    for batch in (1, 7, 10):
        loop = efficiency.strategies("gp", 20, batch, 0.5, 1000)["predictor-loop"]
        assert 200 <= loop["initial"] + loop["rounds"] * loop["batch"] < 200 + batch


@pytest.mark.reference_data
def test_a_stopped_benchmark_resumes(reference_data: Path, tmp_path: Path) -> None:
    efficiency = script("sample_efficiency")
    arguments = [
        "--seeds",
        "3",
        "--strategy",
        "random",
        "--data",
        str(reference_data),
        "-o",
        str(tmp_path / "a.jsonl"),
    ]
    first = CliRunner().invoke(efficiency.main, arguments)
    assert first.exit_code == 0, first.output
    lines = (tmp_path / "a.jsonl").read_text().splitlines(keepends=True)
    assert [json.loads(line)["seed"] for line in lines] == [0, 1, 2]
    (tmp_path / "a.jsonl").write_text(lines[0] + lines[1][:30])
    again = CliRunner().invoke(efficiency.main, arguments)
    assert again.exit_code == 0, again.output
    stored = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert stored[0] == json.loads(lines[0])
    assert [{**run, "seconds": 0} for run in stored] == [
        {**json.loads(line), "seconds": 0} for line in lines
    ]
