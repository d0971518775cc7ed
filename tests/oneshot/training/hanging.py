"""A training that hangs in the middle of an epoch; run as a program, to be killed."""

import sys
import time
from pathlib import Path

import torch

import spaces
from oneshot.algorithms.spos import PathAlgorithm
from oneshot.data.registry import load
from oneshot.samplers import Uniform
from oneshot.training import Execution, fit
from oneshot.training.recipe import Recipe

SMALL = (
    "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)


def algorithm() -> PathAlgorithm:
    """The same algorithm every time."""
    space = spaces.get(SMALL)
    recipe = Recipe(epochs=2, batch_size=50, warmup=5, schedule="cosine", clip=1.0, nesterov=True)
    return PathAlgorithm(space.supernet(10), recipe, Uniform(space, 7))


def run(training: PathAlgorithm, folder: Path) -> None:
    """Train it, on augmented digits; epochs have 20 updates."""
    torch.set_num_threads(1)
    data = load("digits", training.model.space.input_shape)
    fit(training, data.train, folder, seed=7, augment=True, execution=Execution(checkpoint_every=7))


def main(folder: Path) -> None:
    """Hang in update 30, after a checkpoint of 28."""
    training = algorithm()

    def hang(step: int) -> None:
        if step == 30:
            (folder / "hangs").touch()
            time.sleep(600)

    training.after_step = hang  # type: ignore[method-assign]
    run(training, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
