"""`python -m predictor train`: train a predictor from evaluations."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.commands.options import FILE, KINDS, OUTPUT, figures
from predictor.registry import DEFAULT
from spaces.console.group import example, typed

if TYPE_CHECKING:
    from predictor.base import Predictor


@click.command(
    epilog=example(
        "python -m predictor train --data evaluations.jsonl --space spos -o predictor.safetensors"
    )
)
@click.option("--data", type=FILE, required=True, help="Evaluations, JSON lines.")
@click.option("--space", "space_name", required=True)
@click.option("--encoder", type=KINDS, default=DEFAULT, show_default=True)
@click.option(
    "--baseline",
    type=KINDS,
    default="forest",
    show_default=True,
    help="Fitted on the same split, for comparison.",
)
@click.option("--metric", default="cross_entropy", show_default=True, help="cross_entropy, top1")
@click.option(
    "--train-fraction",
    "fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Share to train on.",
)
@click.option(
    "--train",
    "count",
    type=click.IntRange(min=10),
    default=None,
    help="How many to train on, in place of a share.",
)
@click.option(
    "--refit", is_flag=True, help="After testing, fit again on all evaluations before writing."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the split and the fit.",
)
@click.option(
    "--pretraining",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="A graph predictor first learns the FLOPs of so many random architectures.",
)
@click.option(
    "--transfer",
    type=FILE,
    default=None,
    help="A graph predictor begins with the weights of this one, of its kind and another space.",
)
@click.option("--report", type=OUTPUT, default=None, help="Write the figures (JSON).")
@click.option("-o", "--output", type=OUTPUT, required=True)
def train(
    data: Path,
    space_name: str,
    encoder: str,
    baseline: str,
    metric: str,
    fraction: float,
    count: int | None,
    refit: bool,
    seed: int,
    pretraining: int,
    transfer: Path | None,
    report: Path | None,
    output: Path,
) -> None:
    """Train a predictor on a part of the evaluations and test its ranking on the rest.

    Behind Kendall's tau stands its standard error: of a few architectures it tells little.
    An interrupted training of a graph predictor goes on when the same command is given again: until
    it is done, its state lies beside the output (FILE.ENCODER.part, FILE.refit.part).
    """
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from predictor.ensemble.predictor import GraphPredictor
    from predictor.ensemble.transfer import source
    from predictor.errors import TooFewArchitectures
    from predictor.registry import make
    from spaces.console.progress import Bar
    from spaces.files import write_text
    from spaces.registry import get
    from tables.evaluation import read, scores

    space = get(space_name)
    evaluations = read(data, space.name)
    values = np.array(scores(evaluations, metric))
    codes = space.encode([evaluation.architecture for evaluation in evaluations])
    begin_with = source(transfer, encoder) if transfer is not None else None
    count = count or int(fraction * len(codes))
    if len(codes) - count < 5:
        raise TooFewArchitectures(
            f"{data} has {len(codes)} evaluations; training on {count} leaves fewer than 5 to"
            " test on"
        )
    order = np.random.default_rng(seed).permutation(len(codes))
    inside, outside = np.sort(order[:count]), np.sort(order[count:])
    found: dict[str, Any] = {}
    fitted: dict[str, Predictor] = {}
    parts = []
    for kind in dict.fromkeys((encoder, baseline)):
        model = fitted[kind] = make(kind, space, seed)
        if isinstance(model, GraphPredictor):
            parts.append(output.with_name(f"{output.name}.{kind}.part"))
            model.unfinished, model.pretraining = parts[-1], pretraining
            if kind == encoder:
                model.source = begin_with
        begin = time.monotonic()
        with Bar(f"fitting {kind} on {count}") as bar:
            fitted[kind].fit(codes[inside], values[inside], progress=bar.update)
        found[kind] = {
            **figures(fitted[kind], codes[outside], values[outside]),
            "seconds": time.monotonic() - begin,
        }
    rows = Table(
        "predictor",
        "Kendall's tau",
        "Spearman",
        "seconds",
        title=f"{metric} of {len(outside)} unseen",
    )
    for kind, row in found.items():
        tau, error, spearman = (
            "-" if row[name] is None else f"{row[name]:.3f}"
            for name in ("kendall_tau", "kendall_tau_error", "spearman")
        )
        rows.add_row(kind, f"{tau} ± {error}", spearman, f"{row['seconds']:.1f}")
    Console().print(rows)
    chosen = fitted[encoder]
    if refit:
        if isinstance(chosen, GraphPredictor):
            parts.append(output.with_name(f"{output.name}.refit.part"))
            chosen.unfinished = parts[-1]
        with Bar(f"fitting {encoder} on all {len(codes)}") as bar:
            chosen.fit(codes, values, progress=bar.update)
    chosen.trained_on = {
        **chosen.trained_on,
        "data": str(data),
        "metric": metric,
        "command": typed(),
    }
    chosen.save(output)
    summary = {
        "predictor": str(output),
        "data": str(data),
        "space": space.name,
        "metric": metric,
        "trained_on": count,
        "tested_on": len(outside),
        "refit": refit,
        "seed": seed,
        "encoder": encoder,
        "pretraining": pretraining,
        "transfer": None if transfer is None else str(transfer),
        "baseline": baseline,
        "figures": found,
    }
    for part in parts:
        part.unlink(missing_ok=True)
    if report is not None:
        write_text(report, json.dumps(summary, indent=1) + "\n")
    click.echo(f"wrote {output}, trained on {len(codes) if refit else count} evaluations")
