"""Measure how networks of a few-shot search adapt to classes that it has never seen.

    python benchmarks/few_shot.py --seeds 3 -o few-shot.jsonl
    python benchmarks/few_shot.py --images packed-cifar10 --seeds 3 -o few-shot-cifar.jsonl

Reptile learns weights and logits of a small space of NAS-Bench-201's cells on images of the first
five of ten classes. In episodes of 5 classes with one image each, of the five other classes, the
networks then adapt; the accuracy is that of the remaining images of a batch. Next to the search are
fixed random architectures, whose weights are learnt by Reptile as well, and untrained mixtures.

Data: `packed_cifar.py` in this folder documents where the images of CIFAR-10 are searched for.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.registry import make, preset
from oneshot.algorithms.reptile import Reptile
from oneshot.data.images import ImageSplit
from oneshot.data.registry import load
from oneshot.training import Execution, fit
from oneshot.training.recipe import Recipe
from spaces.plugins import load_file
from spaces.registry import get

SPACE = "nasbench201(cells=1, channels=8, input_size=16)"
WAYS = 5
MOST_IMAGES = 4000
"""Images of each part of a data set at most."""
NEVER = 1_000_000
"""Epochs before logits are trained that no training has."""


def two_halves(name: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return images and labels of the classes 0 to 4 of a data set, and of the classes 5 to 9."""
    data = load(name, (3, 16, 16), limit=MOST_IMAGES)
    parts = [part.tensors() for part in (data.train, data.validation, data.test)]
    images = torch.cat([images for images, _ in parts])
    targets = torch.cat([targets for _, targets in parts])
    seen, new = ((images[mask], targets[mask]) for mask in (targets < WAYS, targets >= WAYS))
    return seen, new


def make_algorithm(kind: str, seed: int, split: ImageSplit, steps: int) -> Reptile:
    """Return the algorithm of a run; of `fixed` the logits are those of a random architecture."""
    space = get(SPACE)
    options = {"ways": WAYS}
    if kind == "fixed":
        options |= {"inner_arch_learning_rate": 0, "arch_warmup": NEVER}

    base = preset("reptile", options)
    recipe = Recipe(
        steps=steps, batch_size=60, learning_rate=1.0, momentum=0, weight_decay=0, label_smoothing=0
    )
    generator = torch.Generator().manual_seed(seed)
    model = Reptile.prepare(space.supernet(WAYS, generator))
    setting = Setting(model, recipe, split, len(split), seed=seed)
    algorithm = make("reptile", setting, base.options)
    assert isinstance(algorithm, Reptile)
    if kind == "fixed":
        rng = np.random.default_rng(seed)
        for logits in algorithm.mutator.arch_parameters():
            # A softmax of these is one candidate alone.
            logits.data.fill_(-30.0)
            logits.data.flatten()[int(rng.integers(logits.numel()))] = 30.0
    return algorithm


def accuracy(algorithm: Reptile, images: Tensor, targets: Tensor, episodes: int) -> float:
    """Return the mean accuracy over episodes, each of a batch of its own."""
    means = []
    for number in range(episodes):
        rows = torch.from_numpy(np.random.default_rng(number).permutation(len(images))[:100])
        means += algorithm.accuracies(images[rows], targets[rows], 1, seed=number)
    return float(np.mean(means))


@click.command()
@click.option("--seeds", default=3, show_default=True, help="Number of seeds of each kind.")
@click.option("--steps", default=200, show_default=True, help="Number of outer updates.")
@click.option("--episodes", default=60, show_default=True, help="Number of episodes of the test.")
@click.option(
    "--images",
    "data",
    default="digits",
    show_default=True,
    help="Data set of ten classes, as --data of `oneshot train`.",
)
@click.option("--first-seed", default=0, show_default=True, help="Least seed.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="JSON lines.")
def main(seeds: int, steps: int, episodes: int, data: str, first_seed: int, output: Path) -> None:
    """Train on five classes, and adapt to the five others."""
    load_file(str(Path(__file__).with_name("packed_cifar.py")))
    torch.set_num_threads(1)
    (images, targets), (new_images, new_targets) = two_halves(data)
    split = ImageSplit.from_tensors(images, targets)
    for seed in range(first_seed, first_seed + seeds):
        for kind in ("search", "fixed", "untrained"):
            algorithm = make_algorithm(kind, seed, split, steps)
            if kind != "untrained":
                with tempfile.TemporaryDirectory() as folder:
                    execution = Execution(accelerator="cpu", tensorboard=False)
                    fit(algorithm, split, Path(folder), seed=seed, execution=execution)
            top1 = accuracy(algorithm, new_images, new_targets, episodes)
            line = {
                "images": data,
                "kind": kind,
                "seed": seed,
                "steps": steps,
                "top1": round(top1, 2),
            }
            click.echo(json.dumps(line))
            with output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
