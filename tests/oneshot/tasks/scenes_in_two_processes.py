"""Trains a detector and a segmenter in two processes and in one; prints differences as JSON."""

import json
import sys
from pathlib import Path

import torch
from torch import nn

from oneshot.data.registry import load
from oneshot.tasks.registry import make_task
from oneshot.training.algorithm import Algorithm
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from spaces.registry import get

SMALL = "channels=(8, 16, 32), head_channels=16, input_size=32, repeats=(1, 1, 1), stem_channels=4"
RECIPE = Recipe(steps=2, batch_size=16, learning_rate=1e-3)
"""Few and small updates: with the large gradients of a new detector, rounding would grow."""
TWO = Execution(devices=2, accelerator="cpu", sync_batch_norm=True)


def trained(head: str, task: str, data: str, folder: Path, execution: Execution) -> nn.Module:
    """Return a network after two updates of as many images in all."""
    space = get(f"spos-tiny({SMALL}, head={head})")
    images = load(data, space.input_shape, limit=64)
    architecture = space.architecture([0] * len(space.choices))
    network = space.network(architecture, images.num_classes, torch.Generator().manual_seed(0))
    for module in network.modules():
        # Its random numbers differ between processes.
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    algorithm = Algorithm(network, RECIPE, Passes(make_task(task, space)))
    fit(algorithm, images.train, folder, seed=0, augment=True, execution=execution)
    return network


def main(folder: Path) -> None:
    """Print the greatest difference of weights for each task."""
    torch.set_num_threads(1)
    found = {}
    for head, task, data in (
        ("ssdlite", "detection", "shapes"),
        ("mask", "segmentation", "shape-masks"),
    ):
        one = trained(head, task, data, folder / f"{task}-one", Execution(accelerator="cpu"))
        two = trained(head, task, data, folder / f"{task}-two", TWO)
        pairs = list(zip(one.parameters(), two.parameters(), strict=True))
        difference = max(float((a - b).detach().abs().max()) for a, b in pairs)
        found[task] = difference / max(float(a.detach().abs().max()) for a, _ in pairs)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
