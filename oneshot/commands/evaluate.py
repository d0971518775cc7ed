"""`python -m oneshot evaluate`: evaluate sub-networks of a supernet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from oneshot.commands.options import FILE, SEED, set_threads
from spaces.console import example


@click.command(epilog=example("python -m oneshot evaluate runs/supernet -n 200 -o evaluations.jsonl"))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-n", "count", type=click.IntRange(min=1), default=200, show_default=True, help="How many architectures.")
@click.option("--archs", type=FILE, default=None, help="Evaluate these (JSON lines) and not a uniform sample.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the sample.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Torch threads.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def evaluate(folder: Path, count: int, archs: Path | None, seed: int, threads: int | None, output: Path) -> None:
    """Evaluate sub-networks of a supernet on its validation split, as JSON lines; goes on where it was stopped."""
    import numpy as np

    from oneshot.errors import InvalidRun
    from oneshot.evaluator import Evaluator
    from oneshot.problem import distinct
    from oneshot.run import read_run
    from spaces.architecture import Architecture
    from spaces.modules.supernet import Supernet
    from spaces.progress import Bar
    from tables.evaluation import Evaluation, Journal

    set_threads(threads)
    run = read_run(folder, "supernet")
    space, data, supernet = run.space, run.data(), run.load()
    assert isinstance(supernet, Supernet)
    if archs is not None:
        codes = space.encode(Architecture.read_many(archs, space))
    else:
        codes = distinct(space.sample(np.random.default_rng(seed), 2 * count))[:count]
    journal = Journal(output, space.name)
    done = {evaluation.architecture for evaluation in journal.done}
    evaluator = Evaluator(supernet, data)
    source: dict[str, Any] = {
        "kind": "supernet",
        "run": str(folder),
        "weights": run.weights_digest(),
        "data": data.name,
        "images": len(data.validation),
    }
    if any(dict(evaluation.source) != source for evaluation in journal.done):
        raise InvalidRun(f"{output} holds evaluations of another supernet or data set; choose another file")
    with Bar(f"evaluating on {len(data.validation)} validation images of {data.name}") as bar:
        for index, (row, architecture) in enumerate(zip(codes, space.decode(codes), strict=True)):
            if architecture not in done:
                journal.append(Evaluation(architecture, evaluator.evaluate(row), source))
            bar.update((index + 1) / len(codes), f"{index + 1}/{len(codes)}")
    click.echo(f"wrote {output}: {len(journal.done)} evaluations")
