"""The commands of `python -m oneshot`, each in a module of its own."""

from __future__ import annotations

import click

from spaces.console.group import Group

LAZY = {
    "data": (
        "oneshot.commands.data:data",
        "Show the classes, parts, image sizes and unreadable files of a data set.",
    ),
    "train": ("oneshot.commands.train:train", "Train the supernet of a space."),
    "curves": ("oneshot.commands.curves:curves", "Plot the training curves of runs."),
    "evaluate": (
        "oneshot.commands.evaluate:evaluate",
        "Evaluate sub-networks of a supernet on its validation split.",
    ),
    "eval-arch": (
        "oneshot.commands.eval_arch:eval_arch",
        "Evaluate the architectures of a file by a supernet.",
    ),
    "proxies": (
        "oneshot.commands.proxies:proxies",
        "Measure zero-cost proxies of untrained networks.",
    ),
    "search": (
        "oneshot.commands.search:search",
        "Search a space for the best networks that meet constraints.",
    ),
    "derive": (
        "oneshot.commands.derive:derive",
        "Write the architectures of a search result in any format.",
    ),
    "sample": (
        "oneshot.commands.sample:sample",
        "Draw architectures by the probabilities of a search.",
    ),
    "ss-gen": (
        "oneshot.commands.ss_gen:ss_gen",
        "Write the search-space file of a space for NNI's tuners.",
    ),
    "retrain": ("oneshot.commands.retrain:retrain", "Train an architecture's network and test it."),
    "compress": (
        "oneshot.commands.compress:compress",
        "Find the smaller version of a trained network that meets limits.",
    ),
    "test": (
        "oneshot.commands.test:test",
        "Test a retrained or exported network on the test part of a data set.",
    ),
    "generate": (
        "oneshot.commands.generate:generate",
        "Print a text that a retrained network of text generates.",
    ),
    "export": (
        "oneshot.commands.export:export",
        "Export a retrained network to ONNX and check it against torch.",
    ),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """Train, evaluate and search a supernet; retrain and export the networks of a search."""
