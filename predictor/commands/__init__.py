"""`python -m predictor`: train predictors from evaluations, and use them; one file a command."""

from __future__ import annotations

import click

from spaces.console.group import Group

LAZY = {
    "train": (
        "predictor.commands.train:train",
        "Train a predictor on evaluations and test its ranking on the rest.",
    ),
    "evaluate": (
        "predictor.commands.evaluate:evaluate",
        "Test a predictor's ranking on evaluations, as JSON.",
    ),
    "predict": (
        "predictor.commands.predict:predict",
        "Score architectures, one JSON object a line.",
    ),
    "active": (
        "predictor.commands.active:active",
        "Say which architectures to evaluate next, by deviation.",
    ),
    "bench": (
        "predictor.commands.bench:bench",
        "Measure predictors on a benchmark, beside published figures.",
    ),
}


@click.group(cls=Group, lazy=LAZY)
def main() -> None:
    """Train predictors from evaluated architectures, and use them."""
