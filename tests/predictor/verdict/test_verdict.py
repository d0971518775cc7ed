"""Verdicts, their figures on public supernets, and the command `rank`."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import spaces
import tables
from predictor.commands import main
from predictor.errors import InvalidValues, TooFewArchitectures
from predictor.verdict import judge
from tables.evaluation import Evaluation

SPACE = spaces.get("spos-tiny")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(item) for item in arguments], env={"COLUMNS": "120"})


def write(path: Path, metrics: list[dict[str, float]], kind: str = "supernet") -> Path:
    codes = SPACE.sample(np.random.default_rng(0), 300)
    codes = np.unique(codes, axis=0)[: len(metrics)]
    lines = [
        Evaluation(architecture, values, {"kind": kind}).to_json()
        for architecture, values in zip(SPACE.decode(codes), metrics, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_perfect_ranking_has_perfect_figures() -> None:
    truth = np.arange(100.0)
    verdict = judge(2 * truth, truth, tops=[5], step=1.0)
    assert verdict.figure("kendall_tau").value == pytest.approx(1)
    assert verdict.figure("spearman").value == pytest.approx(1)
    assert verdict.figure("precision_top", 5).value == 1
    assert verdict.figure("precision_bottom", 5).value == 1
    assert verdict.figure("best_rank", 5).value == 0.01
    assert verdict.figure("worst_rank", 5).value == 0.05
    assert verdict.figure("kendall_tau_top", 5).value == 1


def test_chance_levels_are_those_of_random_selections() -> None:
    rng = np.random.default_rng(0)
    verdict = judge(rng.normal(size=100), rng.permutation(100), tops=[5])
    assert verdict.figure("precision_top", 5).chance == pytest.approx(0.05)
    # The least of 5 of 100 ranks is (100 + 1) / (5 + 1) in the mean.
    assert verdict.figure("best_rank", 5).chance == pytest.approx(101 / 6 / 100)
    assert verdict.figure("worst_rank", 5).chance == pytest.approx(5 * 101 / 6 / 100)


def test_constant_scores_have_no_correlation_and_the_rest_at_chance() -> None:
    verdict = judge(np.zeros(50), np.arange(50.0), tops=[10])
    assert math.isnan(verdict.figure("kendall_tau").value)
    assert verdict.num_tied == 50
    for figure in verdict.figures:
        if figure.percent is not None:
            assert figure.value == figure.chance
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_percentages_of_equal_counts_are_judged_once() -> None:
    verdict = judge(np.arange(20.0), np.arange(20.0), tops=[1, 5, 10])
    assert [f.percent for f in verdict.figures if f.name == "best_rank"] == [1, 10]


def test_unusable_input_is_refused() -> None:
    with pytest.raises(TooFewArchitectures, match="at least 10"):
        judge(np.arange(9.0), np.arange(9.0))
    with pytest.raises(InvalidValues, match=r"\[10\] and \[11\]"):
        judge(np.arange(10.0), np.arange(11.0))
    with pytest.raises(InvalidValues, match="not 101"):
        judge(np.arange(10.0), np.arange(10.0), tops=[101])


@pytest.mark.slow
@pytest.mark.reference_data
@pytest.mark.parametrize(
    ("column", "tau", "precision", "best"),
    [("oneshot_supernet_acc", 0.484, 0.010, 0.41), ("fewshot_supernet_acc", 0.550, 0.125, 0.04)],
)
def test_public_supernets_are_judged_as_computed_directly(
    tmp_path: Path, reference_data: Path, column: str, tau: float, precision: float, best: float
) -> None:
    benchmark = tables.benchmark("nasbench201", reference_data)
    scores = tmp_path / "scores.jsonl"
    evaluations = benchmark.evaluations(benchmark.codes(), column)
    scores.write_text("\n".join(item.to_json() for item in evaluations))
    output = tmp_path / "verdict.json"

    result = run(
        "rank",
        scores,
        "--benchmark",
        "nasbench201",
        "--data",
        reference_data,
        "--resamples",
        100,
        "-o",
        output,
    )

    assert result.exit_code == 0, result.output
    figures = {
        (figure["name"], figure.get("percent")): figure["value"]
        for figure in json.loads(output.read_text())["figures"]
    }
    assert figures["kendall_tau", None] == pytest.approx(tau, abs=0.0005)
    assert figures["precision_top", 5] == pytest.approx(precision, abs=0.005)
    assert figures["best_rank", 0.1] == pytest.approx(best, abs=0.005)
    if column == "oneshot_supernet_acc":
        assert "the best is truly among the first 10.5%" in result.output


def test_rank_judges_by_a_second_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(60, 90, 60)
    scores = write(tmp_path / "scores.jsonl", [{"cross_entropy": 3 - x / 30} for x in true])
    truth = write(tmp_path / "truth.jsonl", [{"top1": float(x)} for x in true[:50]])
    output, plot = tmp_path / "verdict.json", tmp_path / "rank.png"

    result = run("rank", scores, "--truth", truth, "--top", 10, "-o", output, "--plot", plot)

    assert result.exit_code == 0, result.output
    assert "that this supernet prefers (5 of 50)" in result.output
    report = json.loads(output.read_text())
    assert report["networks"] == 50
    assert report["figures"][0]["value"] == pytest.approx(1)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_counts_of_proxies_predict_by_greater_values(tmp_path: Path) -> None:
    scores = write(tmp_path / "p.jsonl", [{"params": float(i)} for i in range(20)], "proxies")
    truth = write(tmp_path / "t.jsonl", [{"top1": float(i)} for i in range(20)])
    output = tmp_path / "verdict.json"
    assert run("rank", scores, "--truth", truth, "-o", output).exit_code == 0
    assert json.loads(output.read_text())["figures"][0]["value"] == pytest.approx(1)


def test_predictions_are_judged_like_evaluations(tmp_path: Path) -> None:
    truth = write(tmp_path / "t.jsonl", [{"top1": float(i)} for i in range(20)])
    predictions = tmp_path / "predictions.jsonl"
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    predictions.write_text(
        "\n".join(
            json.dumps({"architecture": line["architecture"], "mean": -i, "deviation": 1.0})
            for i, line in enumerate(lines)
        )
    )
    result = run("rank", predictions, "--truth", truth)
    assert result.exit_code == 0, result.output
    assert "this predictor prefers" in result.output
    assert "-1.000" in result.output


def test_rank_refuses_unusable_input(tmp_path: Path) -> None:
    scores = write(tmp_path / "s.jsonl", [{"a": 1.0, "b": 2.0}] * 20)
    few = write(tmp_path / "few.jsonl", [{"top1": 1.0}] * 5)
    assert run("rank", scores).exit_code == 2
    result = run("rank", scores, "--truth", few)
    assert result.exit_code == 2
    assert "the evaluations have a, b" in result.output
    result = run("rank", few, "--truth", few)
    assert result.exit_code == 2
    assert "5 of the 5" in result.output
