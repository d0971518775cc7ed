"""Training the networks that searches found."""

from __future__ import annotations

from torch import nn

from oneshot.recalibration import full_batches, recalibrate
from oneshot.recipe import Recipe
from oneshot.run import Run
from oneshot.training import Progress, train


def train_network(run: Run, progress: Progress = lambda share, text: None) -> nn.Module:
    """Train the network of an architecture from scratch, or load it where it is done.

    A last pass computes the statistics of batch normalisation anew, as in the SPOS release.

    Args:
        run: of kind `network`.
        progress: called after every epoch.
    """
    if run.weights.exists():
        return run.load()
    data, network = run.data(), run.build()
    recipe = Recipe(**run.settings["recipe"])
    train(network, data, recipe, run.folder, seed=int(run.settings["seed"]), progress=progress)
    recalibrate(network, full_batches(data.train.images))
    run.save(network)
    return network.eval()
