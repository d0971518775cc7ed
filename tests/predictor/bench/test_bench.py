"""`python -m predictor bench`: splits, resuming, its table."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import spaces
import tables
from predictor.bench.journal import TrialJournal
from predictor.bench.trials import Trials
from predictor.commands import main
from predictor.errors import InvalidJournal, TooFewArchitectures
from tables import Benchmark
from tables.benchmarks.records import Records


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.fixture
def macro(tmp_path: Path) -> Path:
    """A file as NAS-Bench-Macro's, of 300 networks whose accuracy is their digits' sum."""
    space = spaces.get("nasbench-macro")
    codes = np.unique(space.sample(np.random.default_rng(0), 300), axis=0)
    entry = {"params": 1, "flops": 1}
    table = {"".join(map(str, row)): {"test_acc": [float(row.sum())] * 3, **entry} for row in codes}
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(json.dumps(table, default=float))
    return path


def test_a_bench_is_a_table_and_resumes(macro: Path, tmp_path: Path) -> None:
    journal, output, plot = tmp_path / "j.jsonl", tmp_path / "o.json", tmp_path / "p.png"
    options = (
        "--benchmark",
        "nasbench-macro",
        "--data",
        macro,
        "--train",
        "20,40",
        "--encoder",
        "forest",
    )
    first = run(*options, "--seeds", 2, "--journal", journal, "-o", output, "--plot", plot)
    assert first.exit_code == 0, first.output
    assert plot.stat().st_size > 1000
    assert f"wrote {plot}" in first.output
    assert "seeds 0 to 1" in first.output
    rows = json.loads(output.read_text())["rows"]
    assert rows[0]["kendall_tau"]["40"]["mean"] > rows[0]["kendall_tau"]["20"]["mean"] > 0.2
    lines = journal.read_text().splitlines()
    assert len(lines) == 4

    journal.write_text(
        "\n".join(lines[:2]) + "\n" + lines[2][:20]
    )  # torn off while writing the third
    again = run(*options, "--seeds", 2, "--journal", journal, "-o", output)
    assert again.exit_code == 0, again.output
    assert json.loads(output.read_text())["rows"] == rows
    assert journal.read_text().splitlines()[:2] == lines[:2]


def test_what_is_shown_is_chosen(macro: Path, tmp_path: Path) -> None:
    options = (
        "--benchmark",
        "nasbench-macro",
        "--data",
        macro,
        "--train",
        "20",
        "--encoder",
        "forest",
        "--seeds",
        1,
    )
    shown = run(*options, "--figure", "regret", "--figure", "best_rank_at_10")
    assert shown.exit_code == 0, shown.output
    assert "Regret on nasbench-macro" in shown.output
    assert "Rank of the best among the first 10" in shown.output
    assert "Kendall" not in shown.output
    assert run(*options, "--figure", "tau").exit_code == 2


def test_a_journal_keeps_settings_apart(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    TrialJournal(path, {"metric": "a"}).append(("gp", "random", 20, 0), {"kendall_tau": 0.5})
    assert TrialJournal(path, {"metric": "b"}).done == {}
    assert TrialJournal(path, {"metric": "a"}).done == {
        ("gp", "random", 20, 0): {"kendall_tau": 0.5}
    }
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(InvalidJournal, match="line 1"):
        TrialJournal(path, {"metric": "a"})


def test_counts_that_are_none_are_refused() -> None:
    for text in ("78,x", "5"):
        assert run("--train", text).exit_code == 2


def test_splits(macro: Path) -> None:
    trials = Trials.from_benchmark(tables.benchmark("nasbench-macro", macro), None)
    assert len(np.unique(trials.classes)) == len(trials.codes)
    inside, outside = trials.split(30, 1, "random")
    assert sorted([*inside, *outside]) == list(range(len(trials.codes)))
    with pytest.raises(TooFewArchitectures):
        trials.split(len(trials.codes), 1, "random")


@pytest.mark.reference_data
def test_classes_of_training_are_not_tested_on(reference_data: Path) -> None:
    trials = Trials.from_benchmark(
        tables.benchmark("nasbench201", reference_data),
        "cifar10_test_acc",
        ["oneshot_supernet_acc"],
    )
    inside, outside = trials.split(390, 0, "classes")
    assert len(outside) < len(trials.codes) - 390
    assert not set(trials.classes[inside]) & set(trials.classes[outside])
    assert list(trials.auxiliary) == ["oneshot_supernet_acc"]


@pytest.mark.reference_data
@pytest.mark.slow
def test_the_default_leads_the_published_gates(reference_data: Path) -> None:
    trials = Trials.from_benchmark(
        tables.benchmark("nasbench201", reference_data), "cifar10_test_acc"
    )
    found = trials.run("gp", 78, 0, ["random"], lambda share, text: None)
    assert found["random"]["kendall_tau"] > 0.78


def test_only_architectures_with_known_values_are_split() -> None:
    space = spaces.get("nasbench-macro")
    codes = space.check(np.unique(space.sample(np.random.default_rng(0), 60), axis=0))
    accuracies = np.arange(len(codes), dtype=float)
    accuracies[::2] = np.nan
    proxies = np.arange(len(codes), dtype=float)
    proxies[1] = np.nan
    columns = {("cifar10_test_acc", None): accuracies, ("naswot", None): proxies}
    benchmark = Benchmark("partial", Records("nasbench-macro", codes, columns))

    trials = Trials.from_benchmark(benchmark, None)
    with_proxy = Trials.from_benchmark(benchmark, None, ["naswot"])

    np.testing.assert_array_equal(trials.values, accuracies[1::2])
    np.testing.assert_array_equal(trials.codes, codes[1::2])
    np.testing.assert_array_equal(with_proxy.values, accuracies[3::2])
    np.testing.assert_array_equal(with_proxy.auxiliary["naswot"], proxies[3::2])
