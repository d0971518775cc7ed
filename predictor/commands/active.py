"""`python -m predictor active`: which architectures to evaluate next."""

from __future__ import annotations

import json
from pathlib import Path

import click

from predictor.commands.options import FILE, SEED
from spaces.console.group import example


@click.command(
    epilog=example("python -m predictor active predictor.safetensors --evaluated evaluations.jsonl")
)
@click.argument("file", type=FILE)
@click.option(
    "--count", type=click.IntRange(min=1), default=8, show_default=True, help="How many to name."
)
@click.option(
    "--pool",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="Drawn to choose from.",
)
@click.option(
    "--evaluated",
    type=FILE,
    default=None,
    help="Evaluations, JSON lines; what stands there is left out.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the pool.")
def active(file: Path, count: int, pool: int, evaluated: Path | None, seed: int) -> None:
    """Say which architectures to evaluate next, the greatest deviation first, one JSON object a
    line.

    What is printed can be given to `python -m oneshot evaluate --archs` and `python -m predictor
    predict`.
    """
    import numpy as np

    from predictor.errors import TooFewArchitectures
    from predictor.registry import load
    from tables.evaluation import read

    model = load(file)
    space = model.space
    drawn = np.unique(space.sample(np.random.default_rng(seed), pool), axis=0)
    known = space.encode(
        [item.architecture for item in read(evaluated, space.name)] if evaluated is not None else []
    )
    # What is one network with another, or with one that was evaluated, would tell nothing new.
    keys = [tuple(row) for row in space.isomorphism_keys(np.concatenate([known, drawn])).tolist()]
    fresh = dict.fromkeys(keys[: len(known)], -1)
    for row, key in enumerate(keys[len(known) :]):
        fresh.setdefault(key, row)
    drawn = drawn[[row for row in fresh.values() if row >= 0]]
    if len(drawn) < count:
        raise TooFewArchitectures(
            f"{len(drawn)} networks of the pool are not evaluated yet, fewer than {count}"
        )
    mean, deviation = model.predict(drawn)
    first = np.argsort(-deviation, kind="stable")[:count]
    for architecture, row in zip(space.decode(drawn[first]), first, strict=True):
        line = {
            "architecture": architecture.to_dict(),
            "mean": float(mean[row]),
            "deviation": float(deviation[row]),
        }
        click.echo(json.dumps(line))
