"""`python -m tables import --benchmark` and `python -m tables benchmarks`."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from tables import evaluation
from tables.commands import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder without benchmarks anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PATHFIT_DATA", raising=False)
    monkeypatch.setenv("PATHFIT_REFERENCE_DATA", str(tmp_path / "none"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from tables.commands import main\n"
        "for arguments in (['--help'], ['import', '--help'], ['benchmarks', '--help']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'scipy', 'rich', 'numpy'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Example:") == 2


def test_official_files_become_benchmarks_that_are_found(
    folder: Path, release_201: dict[str, Any], hardware: dict[str, Any], tfrecord: Path
) -> None:
    torch.save(release_201, folder / "NAS-Bench-201-v1_1-096897.pth")
    (folder / "HW-NAS-Bench-v1_0.pickle").write_bytes(pickle.dumps(hardware))
    for file, name in (
        ("NAS-Bench-201-v1_1-096897.pth", "nasbench201"),
        ("HW-NAS-Bench-v1_0.pickle", "hw-nas-bench"),
        (str(tfrecord), "nasbench101"),
    ):
        done = run("import", file, "--benchmark", name)
        assert done.exit_code == 0, done.output
        assert f"wrote runs/benchmarks/{name}.npz" in done.stdout
    listed = run("benchmarks").stdout
    assert "runs/benchmarks/nasbench201.npz" in listed
    assert "runs/benchmarks/hw-nas-bench.npz" in listed
    assert (
        "download nas-bench-macro_cifar10.json from https://github.com/xiusu/NAS-Bench-Macro"
        in listed
    )
    shown = run("benchmarks", "nasbench201").stdout
    assert "latency_ms@raspi4" in shown
    assert "read from runs/benchmarks/nasbench201.npz, runs/benchmarks/hw-nas-bench.npz" in shown
    assert (
        "10 architectures of nasbench101: cifar10_test_acc (4 epochs), cifar10_test_acc (108"
        " epochs)" in done.stdout
    )


def test_evaluations_are_written_for_the_predictor(folder: Path, tfrecord: Path) -> None:
    assert run("import", str(tfrecord), "--benchmark", "nasbench101", "-o", "a.npz").exit_code == 0
    options = [
        "--data",
        "a.npz",
        "-n",
        "4",
        "--seed",
        "1",
        "--metric",
        "cifar10_test_acc",
        "-o",
        "e.jsonl",
    ]
    done = run("benchmarks", "nasbench101", *options)
    assert done.exit_code == 0, done.output
    found = evaluation.read("e.jsonl", "nasbench101")
    assert len({one.architecture for one in found}) == 4
    assert all(60 <= one.metrics["cifar10_test_acc"] <= 70 for one in found)
    assert evaluation.scores(found, "cifar10_test_acc") == [
        one.metrics["cifar10_test_acc"] for one in found
    ]
    assert found[0].source["files"][0]["file"] == "a.npz"
    first = (folder / "e.jsonl").read_text()
    assert run("benchmarks", "nasbench101", *options).exit_code == 0
    assert (folder / "e.jsonl").read_text() == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["import", "x.json"],
            "give --space for a latency table, or --benchmark for a benchmark's file",
        ),
        (
            ["import", "x.json", "--space", "spos", "--benchmark", "nasbench101"],
            "give --space for a latency table, or",
        ),
        (
            ["import", "x.json", "x.json", "--benchmark", "nasbench101"],
            "from one file, not from 2",
        ),
        (
            ["import", ".", "--space", "spos"],
            ". is a folder; a lookup table",
        ),
        (
            ["import", "x.json", "--benchmark", "nasbench-macro"],
            "x.json: needs an object of networks",
        ),
        (
            ["import", "x.json", "--benchmark", "nasbench101"],
            "x.json: record 0: the file ends within it",
        ),
        (
            ["import", "x.json", "--benchmark", "hw-nas-bench"],
            "x.json: not a pickle file of plain values",
        ),
        (["import", "x.json", "--benchmark", "nasbench201"], "x.json: "),
        (["benchmarks", "nasbench7"], "unknown benchmark 'nasbench7'"),
        (
            ["benchmarks", "nasbench201"],
            "no file of the benchmark nasbench201 was found in runs/benchmarks, ",
        ),
        (["benchmarks", "-n", "5"], "--metric, -n and -o need the name of a benchmark"),
    ],
)
def test_mistakes_are_told_in_one_line(folder: Path, arguments: list[str], said: str) -> None:
    (folder / "x.json").write_text(json.dumps([]))
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert not (folder / "runs").exists()


def test_evaluations_are_drawn_among_the_known_architectures(
    folder: Path, partial_csv: Path, known_cells: list[int]
) -> None:
    drawn = run("benchmarks", "nasbench201", "--data", str(partial_csv), "-n", "5", "-o", "a.jsonl")
    every = run("benchmarks", "nasbench201", "--data", str(partial_csv), "-o", "b.jsonl")

    assert (drawn.exit_code, every.exit_code) == (0, 0), drawn.output
    assert "left out 20 of 30 architectures, of which it has no cifar10_valid_acc" in drawn.output
    values = evaluation.values(evaluation.read("a.jsonl"), "cifar10_valid_acc")
    assert len(values) == 5
    assert set(values) <= set(known_cells)
    assert evaluation.values(evaluation.read("b.jsonl"), "cifar10_valid_acc") == known_cells


def test_a_benchmark_without_any_value_is_shown_and_not_written(folder: Path) -> None:
    header = "index,arch_str,cifar10_valid_acc\n"
    cell = "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"
    (folder / "accuracy.csv").write_text(f"{header}0,{cell},\n")

    shown = run("benchmarks", "nasbench201", "--data", "accuracy.csv")
    written = run("benchmarks", "nasbench201", "--data", "accuracy.csv", "-o", "a.jsonl")

    assert shown.exit_code == 0, shown.output
    assert written.exit_code == 2
    assert "nasbench201 has cifar10_valid_acc of none of its 1 architectures" in written.output
    assert not (folder / "a.jsonl").exists()
