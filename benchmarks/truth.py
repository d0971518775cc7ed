"""Measure how good rankings are where the true accuracy of every network is known.

    python benchmarks/truth.py --space nasbench-macro --seed 0 -o truth.json

Limits on MACs are the 5th, 10th, ..., 95th percentile over all architectures of the space. The
regret of a ranking is the accuracy of the best network under a limit less that of the network which
the ranking prefers under it, in points, mean over ties and over the 19 limits. Tau is Kendall's,
over the distinct networks; P@5% is the fraction of the best 5% by score that are among the best 5%
by accuracy. The table has rankings that need no training, and on NAS-Bench-201 those of public
supernets; "independent errors, t" is a ranking whose errors are independent and give the tau t.

    python -m oneshot --plugin benchmarks/packed_cifar.py proxies --data packed-cifar10 \\
        --space 'nasbench-macro(input_size=16)' -n 150 -o proxies.jsonl
    python benchmarks/truth.py --space nasbench-macro --proxies proxies.jsonl -o truth.json

With a file of proxies, the table has a Gaussian process over the architecture (`gp`) for each way
to combine all proxies of the file; it is fitted to the sample and ranks the whole space. No
accuracy is read before the ranking.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
from ranking_truth import METRICS, Truth, baselines
from rich.console import Console
from rich.table import Column, Table

from predictor.proxies.aggregation import first_component, log_rank_sum, rank_sum
from predictor.registry import make
from spaces.architecture import Architecture
from spaces.files import write_text
from tables import evaluation

AGGREGATIONS = {
    "sum of ranks": rank_sum,
    "sum of log ranks": log_rank_sum,
    "first component of ranks": first_component,
}


@click.command()
@click.option("--space", "space_name", type=click.Choice(list(METRICS)), required=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--accuracies",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="The benchmark's file.",
)
@click.option(
    "--proxies",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="File of `python -m oneshot proxies`, of a sample of the space at any input size.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(
    space_name: str, seed: int, accuracies: Path | None, proxies: Path | None, output: Path
) -> None:
    """Measure rankings of a space, print a table and write JSON."""
    truth = Truth.load(space_name, accuracies)
    rows = baselines(truth, seed)
    rankings = {} if proxies is None else _rankings(truth, proxies, seed)

    result = {
        "space": space_name,
        "seed": seed,
        "architectures": len(truth.codes),
        "networks": len(truth.distinct),
        "baselines": rows,
        "rankings": rankings,
    }
    write_text(output, json.dumps(result, indent=1) + "\n")
    print_rankings(f"{len(truth.distinct)} networks of {space_name}", {**rows, **rankings})


def print_rankings(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    table = Table(
        "ranked by",
        *(Column(name, justify="right") for name in ("tau", "P@5%", "regret, points")),
        title=title,
    )
    for name, row in rows.items():
        cells = [row.get("tau"), row.get("p_top5"), row["regret"]]
        table.add_row(name, *("" if value is None else f"{value:.3f}" for value in cells))
    Console().print(table)


def _rankings(truth: Truth, path: Path, seed: int) -> dict[str, dict[str, float]]:
    """Measure a Gaussian process fitted to each aggregation of the proxies of a file."""
    rows = evaluation.read(path)
    # The names of spaces differ by the input size.
    architectures = [Architecture(truth.space.name, row.architecture.choices) for row in rows]
    codes = truth.space.encode(architectures)
    columns = {name: np.array(evaluation.values(rows, name)) for name in rows[0].metrics}

    rankings = {}
    for name, aggregate in AGGREGATIONS.items():
        predictor = make("gp", truth.space, seed)
        predictor.fit(codes, np.asarray(aggregate(columns)))
        scores, _ = predictor.predict(truth.codes)
        rankings[f"{len(columns)} proxies of {len(rows)}, {name}"] = truth.figures(scores)
    return rankings


if __name__ == "__main__":
    main()
