"""Trainings in two processes, beside the same in one; run as a program, it prints what it found as
JSON.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import spaces
from oneshot.algorithms.spos import PathAlgorithm
from oneshot.data.registry import load
from oneshot.errors import InvalidRun
from oneshot.samplers import Uniform
from oneshot.training import Execution, Stopped, fit
from oneshot.training.recipe import Recipe

SMALL = (
    "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)
SPACE = spaces.get(SMALL)
TWO = Execution(devices=2, accelerator="cpu", report_every=10, checkpoint_every=1000)
WHOLE = dataclasses.replace(TWO, sync_batch_norm=True)
RECIPE = Recipe(epochs=3, batch_size=50, learning_rate=0.01)


class Differing(Uniform):
    """A mistake: the paths depend on the process."""

    def draw(self, rng: np.random.Generator) -> Any:
        return self.space.sample(np.random.default_rng(int(os.environ.get("LOCAL_RANK", 0))), 256)


class Logging(PathAlgorithm):
    """Writes down the path that each process takes; its supernet has no dropout, which is drawn by
    process.
    """

    def __init__(self, folder: Path, recipe: Recipe = RECIPE, logged: bool = True):
        supernet = SPACE.supernet(10)
        for module in supernet.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        super().__init__(supernet, recipe, Uniform(SPACE, 0))
        self.folder, self.logged = folder, logged

    def after_step(self, step: int) -> None:
        if not self.logged:
            return
        with open(self.folder / f"paths-{os.environ.get('LOCAL_RANK', 'one')}", "a") as file:
            file.write(f"{step} {self.paths(step)[0].tolist()}\n")


def furthest(one: nn.Module, other: nn.Module) -> float:
    """The greatest difference of two models' weights, relative to the greatest weight."""
    pairs = list(zip(one.parameters(), other.parameters(), strict=True))
    difference = max(float((a - b).abs().max().detach()) for a, b in pairs)
    return difference / max(float(a.abs().max().detach()) for a, _ in pairs)


def main(folder: Path) -> None:
    """Print a JSON object."""
    torch.set_num_threads(1)
    images = load("digits", SPACE.input_shape).train
    found: dict[str, Any] = {}

    # Stopped by Ctrl-C after the first report, and gone on with. One process takes the same batches
    # in two parts, which
    # are normalised each by itself, as the processes' are.
    (folder / "two").mkdir()
    (folder / "one").mkdir()
    told: list[str] = []

    def stopping(share: float, text: str) -> None:
        if not told:
            os.kill(os.getpid(), signal.SIGINT)
        told.append(text)

    try:
        fit(Logging(folder), images, folder / "two", seed=0, execution=TWO, progress=stopping)
    except Stopped as stopped:
        found["stopped"], found["steps"] = stopped.step, stopped.steps
    two, one = Logging(folder), Logging(folder)
    fit(two, images, folder / "two", seed=0, execution=TWO)
    fit(one, images, folder / "one", seed=0, execution=Execution(accumulate=2, accelerator="cpu"))
    found["told"] = told[0]
    found["supernet"] = furthest(one.model, two.model)
    found["files"] = sorted(path.name for path in (folder / "two").iterdir())

    # One process that normalises whole batches, as two do together; portion by portion it would
    # not. Four updates:
    # rounding grows with them.
    weights = {}
    portions = Execution(accelerator="cpu", accumulate=2)
    for name, execution in {
        "whole": Execution(accelerator="cpu"),
        "synced": WHOLE,
        "portions": portions,
    }.items():
        algorithm = Logging(folder, recipe=dataclasses.replace(RECIPE, steps=4), logged=False)
        fit(algorithm, images, folder / name, seed=0, execution=execution)
        weights[name] = algorithm.model
    for name in ("synced", "portions"):
        found[name] = furthest(weights["whole"], weights[name])

    try:
        algorithm = PathAlgorithm(SPACE.supernet(10), RECIPE, Differing(SPACE, 0))
        fit(algorithm, images, folder / "differing", seed=0, execution=TWO)
    except InvalidRun as error:
        found["differing"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
