"""`python -m predictor evaluate`: test a predictor on evaluations."""

from __future__ import annotations

import json
from pathlib import Path

import click

from predictor.commands.options import FILE, threads_option
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
@threads_option
def evaluate(file: Path, data: Path, metric: str | None) -> None:
    """Test a predictor's ranking on evaluations and print the figures as JSON.

    The evaluations should differ from those that the predictor was trained on.
    """
    from predictor.errors import TooFewArchitectures
    from predictor.evaluated import EvaluatedArchitectures
    from predictor.metrics import ranking_figures
    from predictor.registry import load

    model = load(file)
    metric = metric or model.trained_on.get("metric")
    evaluated = EvaluatedArchitectures.from_file(data, model.space, metric)
    count = len(evaluated.codes)
    if count < 2:
        raise TooFewArchitectures(f"{data} has {count} evaluations; a ranking needs 2")

    figures = ranking_figures(model, evaluated.codes, evaluated.values)
    click.echo(json.dumps({"evaluations": count, "metric": evaluated.metric, **figures}, indent=1))
