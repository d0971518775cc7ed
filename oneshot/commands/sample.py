"""The command `python -m oneshot sample`."""

from __future__ import annotations

from pathlib import Path

import click

from oneshot.commands.options.base import POSITIVE, SEED
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_LINES


@click.command(
    epilog=example("""
        python -m oneshot sample runs/darts -n 20 -o architectures.jsonl
        python -m oneshot sample runs/darts -n 20 --prob-thresh 0.1 -o architectures.jsonl
        """)
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-n",
    "count",
    type=POSITIVE,
    default=10,
    show_default=True,
    help="Number of different architectures.",
)
@click.option(
    "--prob-thresh",
    "threshold",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave out candidates of a smaller probability, except the most probable.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the sample.")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_LINES,
    required=True,
    help="File for the architectures, JSON lines.",
)
def sample(folder: Path, count: int, threshold: float, seed: int, output: Path) -> None:
    """Draw architectures by the probabilities of a search, and write JSON lines.

    FOLDER is the run of a training that also searched, such as by darts, snas, fbnet or proxyless.
    Choices are drawn independently, and architectures are written once, for `eval-arch` or
    `evaluate --archs`.
    """
    import numpy as np

    from oneshot.algorithms.probable import probable_sample, read_probabilities
    from oneshot.run import read_run
    from spaces.files import write_text

    space = read_run(folder, "supernet").space
    probabilities = read_probabilities(folder)
    rng = np.random.default_rng(seed)
    codes = probable_sample(space, probabilities, rng, count, threshold)
    lines = [architecture.to_json() for architecture in space.decode(codes)]
    write_text(output, "\n".join(lines) + "\n")
    fewer = f"; no more than {len(lines)} are probable" if len(lines) < count else ""
    click.echo(f"wrote {output}: {len(lines)} architectures{fewer}")
