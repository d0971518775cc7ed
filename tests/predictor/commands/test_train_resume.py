"""`python -m predictor train`, killed and given again."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from click.testing import CliRunner

import predictor
import spaces
from predictor.commands import main
from predictor.ensemble.predictor import GraphPredictor

ROOT = Path(__file__).resolve().parents[3]
SPACE = spaces.get("spos-tiny")


def evaluations(path: Path, count: int) -> Path:
    codes = SPACE.sample(np.random.default_rng(0), count)
    lines = [
        json.dumps(
            {
                "architecture": architecture.to_dict(),
                "metrics": {"cross_entropy": 2 - 0.1 * sum(row)},
                "source": {},
            }
        )
        for architecture, row in zip(SPACE.decode(codes), codes.tolist(), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def command(data: Path, output: Path) -> list[str]:
    options = [
        "--space",
        "spos-tiny",
        "--encoder",
        "mlp",
        "--baseline",
        "gp",
        "--train",
        "40",
        "--pretraining",
        "50",
    ]
    return ["train", "--data", str(data), *options, "-o", str(output)]


def test_a_killed_training_goes_on_and_writes_the_same_file(tmp_path: Path) -> None:
    data = evaluations(tmp_path / "evaluations.jsonl", 60)
    whole, output = tmp_path / "whole" / "p.safetensors", tmp_path / "killed" / "p.safetensors"
    whole.parent.mkdir()
    output.parent.mkdir()
    done = CliRunner().invoke(main, command(data, whole))
    assert done.exit_code == 0, done.output
    part = output.with_name("p.safetensors.mlp.part")
    with subprocess.Popen(
        [sys.executable, "-m", "predictor", *command(data, output)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    ) as process:
        # On a busy machine the first validation is minutes away.
        end = time.monotonic() + 600
        while not part.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert part.exists()
    assert not output.exists()
    state = part.read_bytes()
    again = CliRunner().invoke(main, command(data, output))
    assert again.exit_code == 0, again.output
    assert list(output.parent.iterdir()) == [output]
    assert state != output.read_bytes()
    first, second = predictor.load(whole), predictor.load(output)
    assert isinstance(first, GraphPredictor)
    assert isinstance(second, GraphPredictor)
    for (name, tensor), (other, same) in zip(
        first.state()[1].items(), second.state()[1].items(), strict=True
    ):
        assert name == other
        assert bool((tensor == same).all())
    assert first.pretraining == 50
    configs = [{**model.state()[0], "trained_on": None} for model in (first, second)]
    assert configs[0] == configs[1]
