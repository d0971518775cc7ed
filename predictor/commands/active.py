"""`python -m predictor active`: which architectures to evaluate next."""

from __future__ import annotations

import json
from pathlib import Path

import click

from predictor.commands.options import FILE, SEED, threads_option
from spaces.console.group import example


@click.command(
    epilog=example("python -m predictor active predictor.safetensors --evaluated evaluations.jsonl")
)
@click.argument("file", type=FILE)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Number of architectures to list.",
)
@click.option(
    "--pool",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="Number of random architectures to choose from.",
)
@click.option(
    "--evaluated",
    type=FILE,
    default=None,
    help="Evaluations, JSON lines; their architectures are left out.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the pool.")
@threads_option
def active(file: Path, count: int, pool: int, evaluated: Path | None, seed: int) -> None:
    """List the architectures to evaluate next, the greatest deviation first.

    The output has one JSON object per line, which `python -m oneshot evaluate --archs` and
    `python -m predictor predict` read.
    """
    import numpy as np

    from predictor.errors import TooFewArchitectures
    from predictor.registry import load
    from tables.evaluation import read

    model = load(file)
    space = model.space
    candidates = np.unique(space.sample(np.random.default_rng(seed), pool), axis=0)
    evaluations = [] if evaluated is None else read(evaluated, space.name)
    evaluated_codes = space.encode([evaluation.architecture for evaluation in evaluations])

    # Of equal networks only the first is listed, and of evaluated ones none.
    codes = np.concatenate([evaluated_codes, candidates])
    keys = [tuple(row) for row in space.isomorphism_keys(codes).tolist()]
    first_row = dict.fromkeys(keys[: len(evaluated_codes)], -1)
    for row, key in enumerate(keys[len(evaluated_codes) :]):
        first_row.setdefault(key, row)
    candidates = candidates[[row for row in first_row.values() if row >= 0]]
    if len(candidates) < count:
        raise TooFewArchitectures(
            f"{len(candidates)} networks of the pool are not evaluated yet, fewer than {count}"
        )

    mean, deviation = model.predict(candidates)
    rows = np.argsort(-deviation, kind="stable")[:count]
    for architecture, row in zip(space.decode(candidates[rows]), rows, strict=True):
        line = {
            "architecture": architecture.to_dict(),
            "mean": float(mean[row]),
            "deviation": float(deviation[row]),
        }
        click.echo(json.dumps(line))
