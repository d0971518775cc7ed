"""Measure the accuracy lost under latency constraints with 100 trained cells.

    python benchmarks/constrained_search.py --seeds 5 -o constrained-search.json

On NAS-Bench-201 a predictor learns from the accuracies of 100 random cells; the latencies on one of
nine devices are known (HELP's measurements). Under ten constraints for each device, from the 10th
to the 90th percentile of its latencies, the cell with the best prediction is selected. The regret
is the difference of its accuracy (CIFAR-10 test, 200 epochs) to that of the best cell under the
constraint. The second figure is the regret of the best of the ten cells with the best predictions,
whose accuracies are looked up.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

import tables
from predictor.base import Predictor
from predictor.registry import default, make
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.space import SearchSpace

METRIC = "cifar10_test_acc"
CONSTRAINTS = np.linspace(10, 90, 10)
LOOKED_UP = 10
Array = NDArray[np.float64]


def predictor_of(kind: str, space: SearchSpace, seed: int) -> Predictor:
    """The predictor of a name; `default` is the space's own."""
    return default(space, seed) if kind == "default" else make(kind, space, seed)


def regrets(predicted: Array, truth: Array, latency: Array) -> tuple[Array, Array, int]:
    """Regrets under every constraint of one device: of the prediction alone, of the ten best looked
    up.

    Args:
        predicted: [n].
        truth: accuracies in percent, [n].
        latency: in ms, [n].

    Returns:
        Float arrays [constraints], and how many of the cells taken break their constraint.
    """
    alone = []
    looked_up = []
    broken = 0
    for limit in np.percentile(latency, CONSTRAINTS):
        inside = np.flatnonzero(latency <= limit)
        ranked = inside[np.argsort(-predicted[inside], kind="stable")]
        selected_cell = ranked[:LOOKED_UP][truth[ranked[:LOOKED_UP]].argmax()]
        best = truth[inside].max()
        alone.append(best - truth[ranked[0]])
        looked_up.append(best - truth[selected_cell])
        broken += int(latency[ranked[0]] > limit) + int(latency[selected_cell] > limit)
    return np.array(alone), np.array(looked_up), broken


@click.command()
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Draws of the trained cells.",
)
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--train", type=click.IntRange(min=10), default=100, show_default=True, help="Trained cells."
)
@click.option("--predictor", "kinds", multiple=True, default=("default",), show_default=True)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="File of NAS-Bench-201.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="JSON."
)
def main(
    seeds: int,
    first_seed: int,
    train: int,
    kinds: tuple[str, ...],
    data: Path | None,
    output: Path | None,
) -> None:
    """Fit once for every seed, and search under every constraint of every device."""
    benchmark = tables.benchmark("nasbench201", data)
    devices = [name for name in benchmark.metrics if name.startswith("latency_ms@")]
    codes = benchmark.codes()
    truth = benchmark.values(METRIC)
    found: list[dict[str, Any]] = []
    with Bar(f"{len(kinds)} predictors, {seeds} seeds") as bar:
        for number, (kind, seed) in enumerate(
            (kind, seed) for kind in kinds for seed in range(seeds)
        ):
            seed += first_seed
            train_rows = np.random.default_rng(seed).permutation(len(codes))[:train]
            begin = time.perf_counter()
            model = predictor_of(kind, benchmark.space, seed)
            model.fit(codes[train_rows], truth[train_rows])
            predicted, _ = model.predict(codes)
            seconds = time.perf_counter() - begin
            for device in devices:
                alone, looked_up, broken = regrets(predicted, truth, benchmark.values(device))
                found.append(
                    {
                        "predictor": kind,
                        "seed": seed,
                        "device": device.partition("@")[2],
                        "alone": alone.tolist(),
                        "looked_up": looked_up.tolist(),
                        "broken": broken,
                        "seconds": seconds,
                    }
                )
            bar.update((number + 1) / (len(kinds) * seeds), f"{kind}, seed {seed}")
    console = Console()
    for kind in kinds:
        console.print(table_of(kind, [run for run in found if run["predictor"] == kind], train))
    console.print(f"read from {benchmark.source}", soft_wrap=True)
    if output is not None:
        write_text(output, json.dumps({"train": train, "metric": METRIC, "runs": found}, indent=1))


def table_of(kind: str, runs: list[dict[str, Any]], train: int) -> Table:
    """A row a device: mean regrets over seeds and constraints, with the deviation of the seeds'
    means.
    """
    right = [
        Column(name, justify="right")
        for name in ("predictor alone", "ten looked up", "worst", "broken")
    ]
    seeds = sorted({run["seed"] for run in runs})
    seconds = float(np.mean([run["seconds"] for run in runs]))
    table = Table(
        "device",
        *right,
        title=f"{kind}, {train} cells, {len(seeds)} seeds, {seconds:.1f} s each: regret",
    )
    for device in [*dict.fromkeys(run["device"] for run in runs), None]:
        selected = [run for run in runs if device in (None, run["device"])]
        if device is None:
            table.add_section()
        cells = []
        for field in ("alone", "looked_up"):
            by_seed = ([run[field] for run in selected if run["seed"] == seed] for seed in seeds)
            means = [np.mean(values) for values in by_seed]
            cells.append(f"{np.mean(means):.3f} ± {np.std(means):.3f}")
        worst = max(max(run["looked_up"]) for run in selected)
        table.add_row(
            device or "mean", *cells, f"{worst:.2f}", str(sum(run["broken"] for run in selected))
        )
    return table


if __name__ == "__main__":
    main()
