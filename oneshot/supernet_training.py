"""Training supernets."""

from __future__ import annotations

import numpy as np

from oneshot.recipe import Recipe
from oneshot.run import Run
from oneshot.training import Progress, train
from spaces.modules.supernet import Supernet


def train_supernet(run: Run, progress: Progress = lambda share, text: None) -> Supernet:
    """Train a supernet on uniform single paths (SPOS), or load it where it is done.

    The path of step i is drawn from (seed, i) alone: the same on every process, and after a resume.

    Args:
        run: of kind `supernet`.
        progress: called after every epoch.
    """
    space, seed = run.space, int(run.settings["seed"])
    supernet = run.load() if run.weights.exists() else run.build()
    assert isinstance(supernet, Supernet)
    if run.weights.exists():
        return supernet

    def draw(step: int) -> None:
        supernet.activate(space.sample(np.random.default_rng([seed, step]), 1)[0])

    train(
        supernet,
        run.data(),
        Recipe(**run.settings["recipe"]),
        run.folder,
        seed=seed,
        before_step=draw,
        progress=progress,
    )
    run.save(supernet)
    return supernet.eval()
