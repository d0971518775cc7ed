"""The scripts in examples/, each run small as a user would."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import spaces
from tables.lookup_table import LookupTable

ROOT = Path(__file__).resolve().parents[2]


def run(name: str, *arguments: object, cwd: Path) -> str:
    """Run an example in an unrelated folder and return what it prints."""
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    # The script's own folder comes first on the path, so the checkout is named here.
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.reference_data
def test_benchmark_search_keeps_its_limit(reference_data: Path, tmp_path: Path) -> None:
    file = reference_data / "nasbench_macro" / "nas-bench-macro_cifar10.json"
    shown = run("search_with_benchmark.py", "--benchmark", file, "--generations", 3, cwd=tmp_path)
    macs = float(shown.splitlines()[1].split("M MACs")[0])
    assert 0 < macs <= 60


@pytest.mark.slow
def test_own_model_lists_three_networks_within_the_limit(tmp_path: Path) -> None:
    lines = run("own_model.py", "--epochs", 1, cwd=tmp_path).splitlines()
    assert len(lines) == 3
    accuracies = [float(line.split("%")[0]) for line in lines]
    assert accuracies == sorted(accuracies, reverse=True)


@pytest.mark.slow
def test_own_strategy_evaluates_as_many_as_random_search(tmp_path: Path) -> None:
    climbing, random = run("own_strategy.py", "--evaluations", 20, cwd=tmp_path).splitlines()
    assert climbing.startswith("climbing")
    assert climbing.split(" of ")[1] == random.split(" of ")[1] == "20 networks"


@pytest.mark.slow
def test_device_table_is_written_and_readable(tmp_path: Path) -> None:
    shown = run("device_table.py", "--budget", 3, "--output", tmp_path / "cpu.json", cwd=tmp_path)
    table = LookupTable.read(tmp_path / "cpu.json")
    assert table.space == "spos-tiny"
    assert f"{len(table.networks)} networks" in shown
    assert "measured" in shown


@pytest.mark.slow
def test_predictor_is_fitted_and_saved(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    codes = np.unique(space.sample(np.random.default_rng(0), 40), axis=0)
    values = np.log(space.macs(codes))
    lines = [
        json.dumps(
            {"architecture": architecture.to_dict(), "metrics": {"cross_entropy": float(value)}}
        )
        for architecture, value in zip(space.decode(codes), values, strict=True)
    ]
    (tmp_path / "evaluations.jsonl").write_text("\n".join(lines) + "\n")

    shown = run("predictor_on_evaluations.py", "evaluations.jsonl", "--kind", "gp", cwd=tmp_path)

    tau = float(shown.split("tau ")[1].split()[0])
    assert tau > 0.5
    assert (tmp_path / "predictor.safetensors").is_file()


def test_every_example_is_tested() -> None:
    text = (
        Path(__file__).read_text()
        + (ROOT / "tests/service/client/test_client_example.py").read_text()
    )
    for script in (ROOT / "examples").glob("*.py"):
        assert f'"{script.name}"' in text


@pytest.mark.slow
def test_own_task_runs_from_the_supernet_to_an_exported_network(tmp_path: Path) -> None:
    shown = run("own_task.py", 1, cwd=tmp_path)

    report = json.loads((tmp_path / "network" / "test.json").read_text())
    low, high = report["degrees_interval"]
    assert report["task"] == "angle"
    assert low < report["degrees"] < high
    assert json.loads((tmp_path / "supernet" / "run.json").read_text())["task"] == "angle"
    assert (tmp_path / "network.onnx").is_file()
    assert "degrees of 8 unseen" in shown
