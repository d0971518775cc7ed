"""`python -m oneshot`: supernets, search, retraining, export; one file a command."""

from __future__ import annotations

import click

from spaces.console import Group

LAZY = {
    "train": ("oneshot.commands.train:train", "Train the supernet of a space."),
    "evaluate": ("oneshot.commands.evaluate:evaluate", "Evaluate sub-networks of a supernet on its validation split."),
    "search": ("oneshot.commands.search:search", "Search a space for the best networks that meet constraints."),
    "retrain": ("oneshot.commands.retrain:retrain", "Train an architecture's network from scratch and test it."),
    "export": ("oneshot.commands.export:export", "Export a retrained network to ONNX and check it against torch."),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """Train a supernet, evaluate and search it, retrain and export what was found."""
