"""What trials know of every architecture: metrics and files of evaluations."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import spaces
import tables
from predictor.bench.columns import columns, parse_file_column
from predictor.commands import main
from predictor.errors import MissingAuxiliary
from spaces.errors import UnknownName
from tables.benchmarks.oracle import Benchmark
from tables.errors import InvalidEvaluation
from tables.evaluation import Evaluation


@pytest.fixture
def macro(tmp_path: Path) -> Benchmark:
    """60 networks of NAS-Bench-Macro, their accuracies drawn."""
    space, rng = spaces.get("nasbench-macro"), np.random.default_rng(0)
    codes = np.unique(space.sample(rng, 100), axis=0)[:60]
    entry = {"params": 1, "flops": 1}
    table = {
        "".join(map(str, row)): {"test_acc": [float(rng.uniform(10, 90))] * 3, **entry}
        for row in codes
    }
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(json.dumps(table))
    return tables.benchmark("nasbench-macro", path)


def written(path: Path, benchmark: Benchmark, **metrics: np.ndarray) -> Path:
    """A file of evaluations, in another order than the benchmark's."""
    order = np.random.default_rng(1).permutation(len(benchmark))
    items = benchmark.architectures()
    each = [
        Evaluation(items[row], {name: float(values[row]) for name, values in metrics.items()})
        for row in order
    ]
    path.write_text("".join(item.to_json() + "\n" for item in each))
    return path


def test_what_names_a_file() -> None:
    assert parse_file_column("cifar10_valid_acc:12") is None
    assert parse_file_column("a/b.jsonl") == (Path("a/b.jsonl"), "")
    assert parse_file_column("a.jsonl.d/b:c.jsonl:naswot") == (
        Path("a.jsonl.d/b:c.jsonl"),
        "naswot",
    )
    assert parse_file_column("a.jsonlines") is None
    assert parse_file_column("a/b.jsonl.gz") == (Path("a/b.jsonl.gz"), "")
    assert parse_file_column("a/b.jsonl.gz:naswot") == (Path("a/b.jsonl.gz"), "naswot")


def test_columns_follow_the_architectures_of_the_benchmark(
    macro: Benchmark, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    naswot, zen = rng.normal(size=60), rng.normal(size=60)
    path = written(tmp_path / "proxies.jsonl", macro, naswot=naswot, zen=zen)
    found = columns(macro, [str(path), "cifar10_test_acc"])
    assert list(found) == [f"{path}:naswot", f"{path}:zen", "cifar10_test_acc"]
    np.testing.assert_array_equal(found[f"{path}:naswot"], naswot)
    np.testing.assert_array_equal(found[f"{path}:zen"], zen)
    np.testing.assert_array_equal(found["cifar10_test_acc"], macro.values("cifar10_test_acc"))
    assert list(columns(macro, [f"{path}:zen"])) == [f"{path}:zen"]


def test_a_file_that_does_not_do_is_refused(macro: Benchmark, tmp_path: Path) -> None:
    path = written(tmp_path / "proxies.jsonl", macro, naswot=np.zeros(60))
    with pytest.raises(UnknownName, match="unknown metric 'zen'; available: naswot"):
        columns(macro, [f"{path}:zen"])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-2]))
    with pytest.raises(
        MissingAuxiliary, match="lacks 2 of the 60 architectures of nasbench-macro; the first is"
    ):
        columns(macro, [str(path)])
    path.write_text("")
    with pytest.raises(MissingAuxiliary, match="holds no evaluation"):
        columns(macro, [str(path)])
    path.write_text(lines[0] + "x\n")
    with pytest.raises(InvalidEvaluation, match="line 2"):
        columns(macro, [str(path)])


def test_a_column_that_tells_all_makes_a_bench_perfect(macro: Benchmark, tmp_path: Path) -> None:
    path = written(tmp_path / "proxies.jsonl", macro, naswot=macro.values("cifar10_test_acc"))
    options = [
        "bench",
        "--benchmark",
        "nasbench-macro",
        "--data",
        str(macro.files[0]),
        "--train",
        "30",
        "--seeds",
        "1",
    ]
    journal = ["--journal", str(tmp_path / "journal.jsonl")]

    def tau(*more: str) -> float:
        output = tmp_path / "out.json"
        result = CliRunner().invoke(
            main, [*options, *more, "-o", str(output)], env={"COLUMNS": "120"}
        )
        assert result.exit_code == 0, result.output
        return float(json.loads(output.read_text())["rows"][0]["kendall_tau"]["30"]["mean"])

    assert tau() < 0.5  # accuracies were drawn: there is nothing to learn
    assert tau("--auxiliary", str(path), *journal) > 0.8
    # The same file with other numbers is another trial.
    written(path, macro, naswot=np.random.default_rng(3).normal(size=60))
    assert tau("--auxiliary", str(path), *journal) < 0.5
