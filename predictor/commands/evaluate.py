"""`python -m predictor evaluate`: test a predictor on evaluations."""

from __future__ import annotations

import json
from pathlib import Path

import click

from predictor.commands.options import FILE
from spaces.console.group import example


@click.command(
    epilog=example("python -m predictor evaluate predictor.safetensors --data evaluations.jsonl")
)
@click.argument("file", type=FILE)
@click.option("--data", type=FILE, required=True, help="Evaluations, JSON lines.")
@click.option(
    "--metric",
    default=None,
    help="Metric of the evaluations.  [default: the one that the predictor was trained on]",
)
def evaluate(file: Path, data: Path, metric: str | None) -> None:
    """Test a predictor's ranking on evaluations and print the figures as JSON.

    The evaluations should differ from those that the predictor was trained on.
    """
    import numpy as np

    from predictor.errors import TooFewArchitectures
    from predictor.metrics import ranking_figures
    from predictor.registry import load
    from tables.evaluation import read, scores

    model = load(file)
    metric = metric or str(model.trained_on.get("metric", "cross_entropy"))
    evaluations = read(data, model.space.name)
    if len(evaluations) < 2:
        raise TooFewArchitectures(f"{data} has {len(evaluations)} evaluations; a ranking needs 2")
    codes = model.space.encode([evaluation.architecture for evaluation in evaluations])
    figures = ranking_figures(model, codes, np.array(scores(evaluations, metric)))
    click.echo(json.dumps({"evaluations": len(codes), "metric": metric, **figures}, indent=1))
