"""Searches with benchmarks, plug-ins and without torch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oneshot.search.result import read_result
from tables.benchmarks import Benchmark
from tables.benchmarks.registry import benchmark
from tests.oneshot.commands.running import FEW, ROOT, TINY, done, run


@pytest.fixture(scope="module")
def nasbench201(reference_data: Path) -> Benchmark:
    return benchmark("nasbench201", reference_data)


@pytest.mark.reference_data
@pytest.mark.parametrize(
    "strategy",
    ["evolution", "pareto", "aging", "annealing", "random", "predictor-loop", "exhaustive"],
)
def test_a_benchmark_drives_every_strategy(
    reference_data: Path,
    nasbench201: Benchmark,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
) -> None:
    monkeypatch.setenv("PATHFIT_REFERENCE_DATA", str(reference_data))
    output = tmp_path / "found.json"
    options = {
        "predictor-loop": ("predictor=forest", "rounds=1"),
        "aging": ("evaluations=200",),
        "annealing": ("evaluations=200",),
    }.get(strategy, ())
    given = [part for option in options for part in ("--option", option)]
    guide = ("--space", "nasbench201", "--guide", "benchmark:nasbench201:cifar10_test_acc")
    done("search", *guide, "--strategy", strategy, *given, "-o", output)
    result = read_result(output)
    assert result.guide["metric"] == "cifar10_test_acc"
    assert result.best.score > {"random": 93.5, "exhaustive": 94.37}.get(strategy, 93.0)
    values = nasbench201.query(result.codes, "cifar10_test_acc")
    assert np.array_equal(values, result.scores)


@pytest.mark.reference_data
def test_what_a_benchmark_does_not_hold_is_named(
    reference_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHFIT_REFERENCE_DATA", str(reference_data))
    refused = run(
        "search",
        "--space",
        "nasbench101",
        "--guide",
        "benchmark:nasbench101",
        "-o",
        tmp_path / "x.json",
    )
    assert refused.exit_code == 2
    assert "are not among the 30001 of nasbench101; the first is {" in refused.stderr
    assert not (tmp_path / "x.json").exists()


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from oneshot.commands import main\n"
        "for command in ('search', 'derive', 'ss-gen'):\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'pymoo', 'scipy', 'sklearn', 'matplotlib', 'rich', 'numpy'}\n"
        "assert not heavy & set(sys.modules), 'loaded'\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.count("Example:\n") == 3


def test_a_strategy_of_a_file_is_searched_with(supernet: Path, tmp_path: Path) -> None:
    plugin, output = tmp_path / "first.py", tmp_path / "found.json"
    plugin.write_text(
        "from oneshot.strategies import register_strategy\n"
        "from oneshot.strategies.random import RandomSearch\n"
        "@register_strategy('few-at-random')\n"
        "class Few(RandomSearch):\n"
        "    def __init__(self, problem, rng, *, few: int = 3):\n"
        "        super().__init__(problem, rng, evaluations=few)\n"
    )
    guide = ("--space", TINY, "--guide", f"supernet:{supernet}", *FEW)
    command = [
        "--plugin",
        plugin,
        "search",
        *guide,
        "--strategy",
        "few-at-random",
        "--option",
        "few=4",
        "-o",
        output,
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
    }  # a process of its own: names are taken once
    ran = subprocess.run(
        [sys.executable, "-m", "oneshot", *map(str, command)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(read_result(output)) == 4
