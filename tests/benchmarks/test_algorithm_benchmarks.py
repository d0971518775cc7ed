"""The benchmarks of algorithms and of the search by gradients: their figures, and resuming them."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

import spaces
from oneshot.data.images import ImageData, ImageSplit
from oneshot.evaluation.recalibration import recalibrate
from oneshot.retraining.report import report_on_test
from oneshot.search.constraint import Constraint
from oneshot.search.problem import SearchProblem
from spaces.modules.elastic_supernet import extract
from tables.benchmarks import Benchmark
from tables.benchmarks.records import Records
from tables.cost.model import counting_model
from tests.benchmarks.scripts import script


class Linear:
    """A guide whose score is a sum over choices, so that the best under a limit is known."""

    def __init__(self, space: Any):
        rng = np.random.default_rng(0)
        self.terms = [rng.normal(size=int(count)) for count in space.candidates]

    def score(self, codes: Any) -> Any:
        found = sum(term[codes[:, column]] for column, term in enumerate(self.terms))
        return found, np.zeros(len(codes))

    def score_relaxed(self, probabilities: Any) -> Any:
        rows = zip(probabilities, self.terms, strict=True)
        return sum(row @ torch.from_numpy(term).to(row) for row, term in rows)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "linear"}


def test_both_strategies_get_the_same_number_of_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """On all 15625 cells: both find the best one within the limit."""
    benchmark = script("proxyless_search", monkeypatch)
    space = spaces.get("nasbench201")
    cost, guide = counting_model(space, "macs"), Linear(space)
    codes = np.concatenate(list(space.enumerate_codes()))
    limit = float(np.median(cost.estimate(codes)))
    found = benchmark.compared(SearchProblem(space, guide, [Constraint("macs", limit, cost)]), 3)  # type: ignore[arg-type]
    best = guide.score(codes[cost.estimate(codes) <= limit])[0].max()
    assert found["evolution"]["verified"] == benchmark.EVALUATIONS
    assert (
        found["proxyless"]["verified"] <= benchmark.EVALUATIONS - 16 * 25
    )  # the relaxed ones count too
    assert found["proxyless"]["best"] == pytest.approx(best)
    assert found["evolution"]["best"] <= best + 1e-9


def test_searches_of_different_kinds_are_not_mixed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    benchmark = script("proxyless_search", monkeypatch)
    path, kind = tmp_path / "spos.json", {"seed": 0, "predictor": "a"}
    assert benchmark.done_before(path, kind) == []
    path.write_text(json.dumps({**kind, "runs": [{"gap": 0.0}]}))
    assert benchmark.done_before(path, kind) == [{"gap": 0.0}]
    with pytest.raises(click.UsageError, match="holds other searches; choose another folder"):
        benchmark.done_before(path, {**kind, "predictor": "b"})
    wrong = CliRunner().invoke(benchmark.main, ["--predictor", "darts=x", "-o", str(tmp_path)])
    assert wrong.exit_code == 2
    assert "write SPACE=FILE" in wrong.output


def test_cells_are_reported_with_their_rank_among_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    benchmark = script("oneshot_nasbench201", monkeypatch)
    space = spaces.get("nasbench201")
    codes = np.concatenate(list(space.enumerate_codes()))
    accuracy = np.arange(len(codes)) / 100
    table = Benchmark(
        "nasbench201", Records(space.name, codes, {("cifar10_test_acc", 200): accuracy})
    )
    truth = table.values(benchmark.METRIC)
    row = benchmark.told("darts", 1, space.architecture(codes[3125]), 2.0, table, truth)
    assert row["cifar10_test_acc"] == accuracy[3125]
    assert row["better_than_percent"] == pytest.approx(20.0)
    record = {"scale": {"epochs": 1}, "published": False}
    (tmp_path / "found.json").write_text(json.dumps({**record, "rows": [row]}))
    assert benchmark.told_before(tmp_path / "found.json", record) == [row]
    with pytest.raises(click.UsageError, match="holds searches of another scale"):
        benchmark.told_before(tmp_path / "found.json", {**record, "published": True})
    assert (
        set(benchmark.OPTIONS["small"])
        == set(benchmark.OPTIONS["smoke"])
        == set(benchmark.ALGORITHMS)
    )


def test_a_sub_network_is_tested_with_the_weights_of_the_supernet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    benchmark = script("oneshot_family", monkeypatch)
    space = spaces.get("ofa-mobilenetv3(resolutions=(32,), depths=(1, 2), width=0.25)")
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 3
    parts = [
        ImageSplit.from_tensors(torch.randn(64, 3, 32, 32, generator=generator), labels)
        for _ in range(3)
    ]
    data = ImageData("made-up", *parts, num_classes=3, split_seed=0)
    supernet = space.supernet(3, torch.Generator().manual_seed(1))
    architecture = space.architecture(space.sample(np.random.default_rng(2), 1)[0])
    found = benchmark.with_weights_of(supernet, architecture, data, 0)
    network = extract(supernet, architecture)
    recalibrate(network, (images for images, _ in data.train.epochs(64, 0)))
    assert found == pytest.approx(report_on_test(network, data)["top1"])
