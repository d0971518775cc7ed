"""Searches in two processes; run as a program, it prints what each rank decided as JSON."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.enas.algorithm import Enas
from oneshot.algorithms.gdas import Gdas
from oneshot.algorithms.registry import preset
from oneshot.data.registry import load
from oneshot.training import Execution, fit
from oneshot.training.recipe import Recipe

SMALL = (
    "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)
FOLDER = Path(sys.argv[1])


def noted(algorithm: Any, step: int) -> None:
    """Write down what a process runs, and its logits or controller."""
    masks = [
        mask.detach().nonzero().flatten().tolist() for mask in algorithm.mutator.masks.values()
    ]
    total = sum(
        float(weight.detach().double().abs().sum()) for weight in algorithm.mutator.parameters()
    )
    with open(FOLDER / f"{algorithm.name}-{os.environ.get('LOCAL_RANK', 'one')}", "a") as file:
        file.write(f"{step} {masks} {total:.12g}\n")


class NotedGdas(Gdas):
    """Writes down what each rank does."""

    def after_step(self, step: int) -> None:
        super().after_step(step)
        noted(self, step)


class NotedEnas(Enas):
    """Writes down what each rank does."""

    def after_step(self, step: int) -> None:
        super().after_step(step)
        noted(self, step)


def main() -> None:
    """Print a JSON object."""
    torch.set_num_threads(1)
    space = spaces.get(SMALL)
    data = load("digits", space.input_shape, limit=200, validation=100)
    found = {}
    for kind, options in (
        (NotedGdas, {"arch_learning_rate": 0.1}),
        (NotedEnas, {"controller_steps": 2, "aggregate": 3, "final_samples": 3}),
    ):
        recipe = Recipe(epochs=2, batch_size=50, learning_rate=0.02)
        setting = Setting(space.supernet(10), recipe, data.validation, len(data.train), space=space)
        algorithm = kind(setting, preset(kind.name, options).options)
        fit(
            algorithm,
            data.train,
            FOLDER / kind.name,
            seed=0,
            execution=Execution(devices=2, accelerator="cpu"),
        )
        found[kind.name] = algorithm.report()["architecture"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
