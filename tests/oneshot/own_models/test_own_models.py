"""Models of common kinds through the commands of the docs, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = Path(__file__).with_name("models.py")


def command(folder: Path, text: str) -> str:
    """Run a command line of a package, with the plug-in, and return what it prints."""
    package, *arguments = text.split()
    process = subprocess.run(
        [sys.executable, "-m", package, "--plugin", str(PLUGIN), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, f"{text}: {process.stderr[-2000:]}"
    return process.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "data", "metric", "least"),
    [
        # Of ten digits; chance is 10%.
        ("resnet", "digits", "top1", 60),
        ("vit", "digits", "top1", 50),
        ("rows", "digits", "top1", 60),
        # The overlap of a box with the true one; that of the mean box is about 0.3.
        ("detector", "squares --task detection-of-one", "iou", 0.4),
    ],
)
def test_model_is_searched_retrained_and_exported(
    space: str, data: str, metric: str, least: float, tmp_path: Path
) -> None:
    training = f"--data {data} --limit 400 --batch-size 20 --learning-rate 0.05 --no-tensorboard"
    few = "--images 50 --recalibration-batches 2 --recalibration-batch-size 20"

    assert space in command(tmp_path, f"spaces show {space}")
    command(tmp_path, f"profiler build --space {space} --threads 1 --budget 20s -o table.json")
    train = f"oneshot train --space {space} --algorithm spos {training} --epochs 20 -o supernet"
    command(tmp_path, train)
    command(tmp_path, f"oneshot evaluate supernet -n 2 {few} -o scores.jsonl")
    search = f"oneshot search --space {space} --guide supernet:supernet {few} --strategy random"
    search += " --option evaluations=3 --constraint latency_ms<=1000@table.json -o found.json"
    command(tmp_path, search)
    command(tmp_path, f"oneshot retrain --arch found.json {training} --epochs 30 -o network")
    command(tmp_path, "oneshot export network -o network.onnx")

    scores = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert all(np.isfinite(row["metrics"][metric]) for row in scores)
    report = json.loads((tmp_path / "network" / "test.json").read_text())
    assert report[metric] > least
    session = onnxruntime.InferenceSession(
        str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"]
    )
    outputs = session.run(None, {"image": np.zeros((2, 3, 16, 16), np.float32)})
    assert [len(output) for output in outputs] == [2] * (2 if space == "detector" else 1)
