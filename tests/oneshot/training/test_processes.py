"""Two processes on this machine train as one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("two_processes.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Gloo between them; stopped by Ctrl-C and gone on with; a mistake in the paths is found before
    it does harm.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(SCRIPT), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["supernet"] < 1e-3
    assert found["synced"] < 1e-4 < 1e-3 < found["portions"]
    assert found["differing"] == (
        "the processes of this training drew different paths: its seed is not the same on all"
    )
    assert found["told"].startswith("epoch 1/3, loss ")
    assert 10 <= found["stopped"] < found["steps"] == 60
    # The same path on every rank, and process 0 alone writes.
    paths = [(tmp_path / f"paths-{rank}").read_text() for rank in ("0", "1", "one")]
    assert paths[0] == paths[1] == paths[2]
    assert len(paths[0].splitlines()) == 60
    assert found["files"] == ["last.ckpt"]


PLUGIN = """
import torch
from torch import nn
import spaces
from spaces import LayerChoice

@spaces.register_space("own-small")
def make(name, /):
    convolution = LayerChoice([nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 1)])
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return spaces.from_model(
        nn.Sequential(convolution, nn.ReLU(), *head), torch.zeros(1, 3, 8, 8), name=name
    )
"""


@pytest.mark.slow
def test_processes_load_the_plugin_that_registers_the_space(tmp_path: Path) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text(PLUGIN)
    options = "--data digits --limit 100 --steps 4 --batch-size 16 --no-tensorboard"
    command = [sys.executable, "-m", "oneshot", "--plugin", str(plugin), "train"]
    command += ["--space", "own-small", *options.split(), "--accelerator", "cpu"]
    for devices in ("1", "2"):
        done = subprocess.run(
            [*command, "--devices", devices, "-o", str(tmp_path / devices)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    one, two = (load_file(tmp_path / devices / "weights.safetensors") for devices in ("1", "2"))
    assert one.keys() == two.keys()
    # Without batch normalisation, two halves of a batch have the gradient of the whole batch.
    assert all(torch.allclose(one[key], two[key], atol=1e-5) for key in one)
