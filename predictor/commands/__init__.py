"""The commands of `python -m predictor`, one per file."""

from __future__ import annotations

import click

from spaces.console.group import Group

LAZY = {
    "train": (
        "predictor.commands.train:train",
        "Train a predictor on evaluations and test its ranking on others.",
    ),
    "evaluate": (
        "predictor.commands.evaluate:evaluate",
        "Test a predictor's ranking on evaluations, as JSON.",
    ),
    "predict": (
        "predictor.commands.predict:predict",
        "Score architectures, one JSON object per line.",
    ),
    "active": (
        "predictor.commands.active:active",
        "List the architectures to evaluate next, by deviation.",
    ),
    "rank": (
        "predictor.commands.rank:rank",
        "Judge how well scores rank architectures by their true accuracies.",
    ),
    "bench": (
        "predictor.commands.bench:bench",
        "Compare predictors on a benchmark and with published figures.",
    ),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """Train predictors from evaluated architectures, and use them."""
