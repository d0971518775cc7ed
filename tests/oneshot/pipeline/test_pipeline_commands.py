"""`pathfit run` and `pathfit pipeline`: real stages, what is printed and what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.pathfit import main

PATHFIT = [sys.executable, "-c", "from service.pathfit import main; main()"]

SPACE = (
    "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)

SMALL = f"""
space: "{SPACE}"
data: digits
train: {{epochs: 1, limit: 100, threads: 1}}
evaluate: {{n: 16, images: 40, recalibration-batches: 1, recalibration-batch-size: 40}}
predict: {{encoder: gp, train: 10}}
search: {{strategy: random, option: {{evaluations: 5}}, constraint: flops<=3e6}}
retrain: {{epochs: 1, limit: 100, threads: 1}}
export: {{}}
measure: {{rounds: 3, threads: 1}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": "200"})


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*PATHFIT, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=environment, check=False
    )


def test_a_dry_run_prints_commands_that_a_shell_reads_and_writes_nothing(
    path: Path, tmp_path: Path
) -> None:
    # A process of its own has loaded no plug-ins, which its commands would load too.
    result = process("run", path, "--dry-run", "-o", tmp_path / "out", "--set", "train.epochs=10")
    assert result.returncode == 0, result.stderr
    commands = [shlex.split(line) for line in result.stdout.splitlines()]
    assert [command[:4] for command in commands[:2]] == [
        ["python", "-m", "oneshot", "train"],
        ["python", "-m", "oneshot", "evaluate"],
    ]
    train = commands[0]
    assert train[train.index("--space") + 1] == SPACE
    assert train[train.index("--epochs") + 1] == "10"
    assert not (tmp_path / "out").exists()


def test_check_reports_all_faults_with_exit_code_2(path: Path) -> None:
    assert run("pipeline", "check", path).stdout.startswith(f"{path} has no faults")
    path.write_text(SMALL.replace("epochs: 1", "epoch: 1").replace("flops", "flopps"))
    result = run("pipeline", "check", path)
    assert result.exit_code == 2
    assert "has 3 faults" in result.stderr
    assert "line 4: train.epoch: unknown option" in result.stderr
    assert "line 7: search.constraint" in result.stderr
    assert "line 8: retrain.epoch" in result.stderr


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    result = run("run", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "none.yaml" in result.stderr


@pytest.mark.slow
def test_stages_run_resume_and_are_summarised(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first = process("run", path, "-o", folder)
    assert first.returncode == 0, first.stdout + first.stderr
    stages = ["train", "evaluate", "predict", "search", "retrain", "export", "measure"]
    assert re.findall(r"^\d/7 (\w+)$", first.stdout, re.MULTILINE) == stages
    summary = first.stdout.partition("result")[2]
    assert re.findall(r"^ ?(\w+) +[\d.]+ +\S", summary, re.MULTILINE) == stages
    for text in ("16 sub-networks, top1", "Kendall's tau", "best score", "test top1", "torch"):
        assert text in summary

    again = process("run", path, "-o", folder)
    assert again.stdout.count("done before") == 7

    edited = process("run", path, "-o", folder, "--set", "search.seed=1")
    assert edited.returncode == 0, edited.stderr
    assert "changed since the last run: search; these stages run again: search, retrain" in (
        edited.stdout
    )
    assert edited.stdout.count("done before") == 3


@pytest.mark.slow
def test_ctrl_c_stops_a_training_that_then_resumes_to_the_same_weights(
    path: Path, tmp_path: Path
) -> None:
    text = SMALL.replace("epochs: 1, limit: 100", "epochs: 12, limit: 300, checkpoint-every: 2")
    path.write_text(text[: text.index("evaluate")])
    folder = tmp_path / "out"
    started = subprocess.Popen(
        [*PATHFIT, "run", str(path), "-o", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (folder / "train" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    output = started.communicate(timeout=300)[0].decode()
    assert started.returncode == 130, output
    assert "run the same command again to resume" in output
    record = json.loads((folder / "pipeline.json").read_text())["stages"]["train"]
    assert record["status"] == "running"

    resumed = process("run", path, "-o", folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "train (resumed)" in resumed.stdout
    whole = process("run", path, "-o", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    weights = "train/weights.safetensors"
    assert (folder / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
