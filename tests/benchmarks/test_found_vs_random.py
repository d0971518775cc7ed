"""The comparison of found with random networks: its samples and its statistics."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

import tables
from oneshot.search.result import read_result
from oneshot.training.execution import Execution
from spaces.space import Codes

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, which imports its neighbours `trial` and `found_settings`."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("trial", "found_settings", "found_vs_random"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("found_vs_random")


def test_the_difference_is_reported_in_standard_errors(script: ModuleType) -> None:
    reports = {
        "found": [{"top1": value} for value in (44.0, 45.0, 46.0)],
        "random": [{"top1": value} for value in (41.0, 43.0, 42.0, 44.0)],
    }
    answer = script.compared(reports)
    assert answer["difference"] == pytest.approx(2.5)
    assert answer["standard_error"] == pytest.approx(np.sqrt(1 / 3 + (5 / 3) / 4))
    assert answer["standard_errors"] == pytest.approx(2.5 / np.sqrt(1 / 3 + 5 / 12))
    assert answer["random_best"] == 44
    expected = scipy.stats.ttest_ind([44, 45, 46], [41, 43, 42, 44], equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert answer["difference_low"] == pytest.approx(interval.low)
    assert answer["difference_high"] == pytest.approx(interval.high)


def test_accuracies_under_perturbations_are_compared_too(script: ModuleType) -> None:
    reports = {
        "found": [
            {"top1": 50.0, "top1_pgd": value, "top1_interval": [0, 1]} for value in (9.0, 7.0)
        ],
        "random": [{"top1": 50.0, "top1_pgd": value} for value in (3.0, 5.0)],
    }

    assert script.perturbed_metrics(reports["found"]) == ["top1_pgd"]
    assert script.compared(reports, "top1_pgd")["difference"] == 4


def test_random_networks_differ_and_use_the_limit(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trial

    monkeypatch.setattr(trial, "load_data", lambda *given, **options: None)
    bench = trial.Trial(script.SMOKE, "cifar10", "test", Execution(accelerator="cpu"), 3, tmp_path)
    drawn = bench.random(10)
    assert len(set(drawn)) == 10
    macs = bench.space.macs(bench.space.encode(drawn))
    assert (macs <= bench.constraint.maximum).all()
    assert (macs >= 0.95 * bench.constraint.maximum).all()
    everything = bench.space.macs(np.concatenate(list(bench.space.enumerate_codes())))
    assert 0.45 < (everything <= bench.constraint.maximum).mean() < 0.55
    assert bench.random(10) == drawn


def test_random_networks_use_a_limit_of_latency_with_its_margin(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trial

    monkeypatch.setattr(trial, "load_data", lambda *given, **options: None)
    setting = replace(script.SMOKE, space="spos")
    table = tables.load("amd-epyc-spos-b1-fp32-t2")
    bench = trial.Trial(
        setting, "cifar10", "test", Execution(accelerator="cpu"), 3, tmp_path, table
    )

    drawn = bench.space.encode(bench.random(10))

    model = table.cost_model(bench.space, "latency_ms")
    sampled = bench.space.sample(np.random.default_rng(0), 20_000)
    median = np.median(model.estimate(sampled))
    assert bench.constraint.maximum == pytest.approx(median, rel=0.01)
    assert len(np.unique(drawn, axis=0)) == 10
    assert (model.estimate(drawn) < bench.constraint.maximum).all()
    used = model.upper(drawn) / bench.constraint.maximum
    assert (used >= 0.95).all()
    assert (used <= 1).all()


def test_effort_multiplies_only_the_updates(script: ModuleType) -> None:
    twice = script.SMOKE.times(2)
    assert twice.supernet == {**script.SMOKE.supernet, "steps": 2 * script.SMOKE.supernet["steps"]}
    assert twice.network == {**script.SMOKE.network, "steps": 2 * script.SMOKE.network["steps"]}
    assert (twice.space, twice.evolution) == (script.SMOKE.space, script.SMOKE.evolution)


def test_spread_is_what_the_noise_of_trainings_does_not_explain(script: ModuleType) -> None:
    rng = np.random.default_rng(0)
    networks = rng.normal(0, 3, size=(4000, 1))
    top1 = 50 + networks + rng.normal(0, 1, size=(4000, 2))

    figures = script.spread_and_noise(top1)

    assert figures["spread"] == pytest.approx(3, rel=0.05)
    assert figures["noise"] == pytest.approx(1, rel=0.05)
    assert figures["ratio"] == pytest.approx(3, rel=0.1)
    # Equal networks have no spread, however noisy their trainings are.
    assert script.spread_and_noise(np.array([[1.0, 3.0], [3.0, 1.0]]))["spread"] == 0


def test_cells_are_searched_by_a_vote_under_the_limit(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trial

    from oneshot.search.guide import PredictorGuide

    monkeypatch.setattr(trial, "load_data", lambda *given, **options: None)
    execution = Execution(accelerator="cpu")
    bench = trial.Trial(script.CELLS, "cifar10", "test", execution, 0, tmp_path)
    sizes = bench.space.macs

    class LargestFirst(PredictorGuide):
        def __init__(self) -> None:
            self.name = "sizes"

        def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return sizes(codes).astype(float), np.zeros(len(codes))

        def to_dict(self) -> dict[str, str]:
            return {"kind": "sizes"}

    class FewestParameters(LargestFirst):
        def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return -bench.space.params(codes).astype(float), np.zeros(len(codes))

    monkeypatch.setattr(bench, "votes", lambda number, settings: LargestFirst())
    monkeypatch.setattr(bench, "training_guide", lambda *given: FewestParameters())
    found = bench.found(0)

    every = np.concatenate(list(bench.space.enumerate_codes()))
    within = sizes(every)[sizes(every) <= bench.constraint.maximum]
    code = bench.space.encode([found])
    assert sizes(code)[0] == within.max()
    # Of the largest ones the finalists' guide, in place of brief trainings, found the smallest.
    stored = read_result(tmp_path / "search-0.json")
    assert len(stored) == 8
    assert bench.space.params(code)[0] == bench.space.params(stored.codes).min()
