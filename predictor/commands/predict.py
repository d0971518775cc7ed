"""`python -m predictor predict`: score architectures."""

from __future__ import annotations

import json
from pathlib import Path

import click

from predictor.commands.options import FILE, threads_option
from spaces.console.group import example


@click.command(
    epilog=example("python -m predictor predict predictor.safetensors architectures.jsonl")
)
@click.argument("file", type=FILE)
@click.argument("architectures", type=FILE)
@threads_option
def predict(file: Path, architectures: Path) -> None:
    """Score architectures, one JSON object per line; greater is better.

    The file contains one JSON object, a list, or JSON lines, which may be evaluations.
    """
    from predictor.registry import load
    from spaces.formats import read_architectures

    model = load(file)
    scored = read_architectures(architectures)
    for architecture, mean, deviation in zip(scored, *model.predict(scored), strict=True):
        line = {"architecture": architecture.to_dict(), "mean": mean, "deviation": deviation}
        click.echo(json.dumps(line))
