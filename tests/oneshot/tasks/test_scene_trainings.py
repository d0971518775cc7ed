"""Trainings of detectors and segmenters: resumed, in two processes, and through the commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from oneshot.data.registry import load
from oneshot.tasks.registry import make_task
from oneshot.training.algorithm import Algorithm
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped
from spaces.registry import get

SCRIPT = Path(__file__).with_name("scenes_in_two_processes.py")
ROOT = Path(__file__).resolve().parents[3]
SMALL = "channels=(8, 16, 32), head_channels=16, input_size=32, repeats=(1, 1, 1), stem_channels=4"
TASKS = [("ssdlite", "detection", "shapes"), ("mask", "segmentation", "shape-masks")]
RECIPE = Recipe(steps=8, batch_size=8, learning_rate=0.02)


class Interrupted(Algorithm):
    """Is stopped by Ctrl-C after the fifth update."""

    def after_step(self, step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt


def network_of(head: str, num_classes: int) -> nn.Module:
    space = get(f"spos-tiny({SMALL}, head={head})")
    architecture = space.architecture([1] * len(space.choices))
    return space.network(architecture, num_classes, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("head", "task_name", "data_name"), TASKS)
def test_resumed_training_has_the_weights_of_an_unbroken_one(
    head: str, task_name: str, data_name: str, tmp_path: Path
) -> None:
    space = get(f"spos-tiny({SMALL}, head={head})")
    task = make_task(task_name, space)
    data = load(data_name, space.input_shape, limit=32)
    execution = Execution(accelerator="cpu", checkpoint_every=2)
    whole, resumed = network_of(head, data.num_classes), network_of(head, data.num_classes)
    broken = Interrupted(network_of(head, data.num_classes), RECIPE, Passes(task))

    def train(algorithm: Algorithm, folder: str) -> None:
        fit(algorithm, data.train, tmp_path / folder, seed=1, augment=True, execution=execution)

    train(Algorithm(whole, RECIPE, Passes(task)), "whole")
    with pytest.raises((KeyboardInterrupt, Stopped)):
        train(broken, "broken")
    train(Algorithm(resumed, RECIPE, Passes(task)), "broken")

    for first, second in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(SCRIPT), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["detection"] < 1e-4
    assert found["segmentation"] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["spos", "ofa", "ofa-progressive", "proxyless", "fairnas"])
@pytest.mark.parametrize(("head", "task_name", "data_name"), TASKS)
def test_algorithms_train_supernets(
    algorithm: str, head: str, task_name: str, data_name: str, tmp_path: Path
) -> None:
    elastic = (
        "ofa-mobilenetv3(depths=(1, 2), expansions=(3, 4), kernels=(3, 5), width=0.25,"
        f" input_size=32, head={head})"
    )
    spaces = {
        "spos": f"spos-tiny({SMALL}, head={head})",
        "fairnas": f"spos-tiny({SMALL}, head={head})",
        "proxyless": f"proxylessnas-tiny(input_size=32, head={head})",
        "ofa": elastic,
        "ofa-progressive": elastic,
    }
    command = [
        *(sys.executable, "-m", "oneshot", "train", "--space", spaces[algorithm]),
        *("--algorithm", algorithm, "--data", data_name, "--task", task_name, "--limit", "32"),
        *("--batch-size", "8", "--epochs", "1", "--threads", "1", "-o", str(tmp_path / "run")),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "weights.safetensors").is_file()
