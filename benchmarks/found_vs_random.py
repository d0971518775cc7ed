"""Compare the networks that a search finds with random ones under the same constraint.

    python benchmarks/found_vs_random.py --smoke -o runs/found-vs-random-smoke
    python benchmarks/found_vs_random.py --cells -o runs/found-vs-random-cells
    python benchmarks/found_vs_random.py --device gpu --precision bf16 -o runs/found-vs-random

On CIFAR-10, in a scaled space of SPOS, a supernet is trained for each of three seeds and searched
by evolution under a limit of FLOPs, the median of the space. The three networks that are found and
ten random ones that use at least 95% of the same limit (`--least 0`: any within it) are trained in
the same way, each from new weights of its own seed, and tested. The report is the difference of the
mean test accuracies in standard errors, sqrt(s_found^2 / 3 + s_random^2 / 10); the target is 2. The
same command resumes after an interruption.

With `--under` networks resist perturbations: the search ranks by them, and the report has the test
accuracies without a perturbation and under each; the recipes of `examples/pipelines/ftt-*.yaml` and
`robust.yaml` are

    --under clean=0.5 --under feature-faults=0.5
        --network-under clean=0.5 --network-under feature-faults=0.5
    --under clean=0.8 --under weight-faults=0.2
        --network-under clean=0.3 --network-under weight-faults=0.7
    --under clean=0.5 --under fgsm=0.5 --supernet-under pgd=1 --network-under pgd=1

A setting must be chosen before the test images are used: `--part validation` reports accuracies on
validation images by which no supernet ranks, and does not use the test images. Choose with it, and
with another --seed; `--pilot 8` trains random networks alone, each twice, and compares their spread
with the noise of the trainings. With `--cells` four proxies of untrained networks vote in place of
a supernet, and the best eight of each search are trained briefly before one is found. With
`--table` the limit is the median latency by a table of the setting's space, such as

    python -m profiler build --space 'nasbench201(channels=4,input_size=16)' --backend onnxruntime
        --threads 1 --budget 180s -o cells.json

of which an estimate and its margin must remain below it, and random networks reach 95% so too.

Data: `packed_cifar.py` in this folder documents where the images are searched for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy.stats
import torch
from found_settings import BINARY, CELLS, FULL, SMOKE
from machine import machine_options
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from trial import Setting, Trial

import tables
from oneshot.training.execution import Execution
from spaces.files import write_text
from spaces.plugins import load_file
from tables import CostModel
from tables.metrics import COUNTS

TARGET = 2.0


@click.command()
@click.option("--smoke", is_flag=True, help="A setting for ten minutes of one processor core.")
@click.option(
    "--cells", is_flag=True, help="A setting in cells, searched by a vote of proxies; 45 minutes."
)
@click.option(
    "--binary", is_flag=True, help="A setting in binary cells, at equal binary operations."
)
@click.option(
    "--pilot",
    type=click.IntRange(min=2),
    default=None,
    help="Train so many random networks twice, report their spread and the noise, and end.",
)
@click.option(
    "--effort",
    type=float,
    default=1.0,
    show_default=True,
    help="Times the updates of all trainings.",
)
@click.option(
    "--found",
    type=click.IntRange(min=2),
    default=3,
    show_default=True,
    help="Supernets and searches.",
)
@click.option(
    "--random",
    "drawn",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    help="Random networks.",
)
@click.option(
    "--finalists",
    type=click.IntRange(min=0),
    default=None,
    help="Networks of a search that are trained briefly before one is found; 0: none.  [default:"
    " 8 with --cells, 0 without]",
)
@click.option(
    "--least",
    type=click.FloatRange(0, 1),
    default=0.95,
    show_default=True,
    help="Share of the limit that random networks use at least; 0: any network within the limit.",
)
@click.option(
    "--part", type=click.Choice(["test", "validation"]), default="test", show_default=True
)
@click.option(
    "--under",
    multiple=True,
    help="Perturbation of the search and of the tests with its weight, such as clean=0.5.",
)
@click.option(
    "--table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Table of the latencies that are limited.  [default: the setting's count is limited]",
)
@click.option("--supernet-under", multiple=True, help="Perturbation of the supernets' trainings.")
@click.option("--network-under", multiple=True, help="Perturbation of the networks' trainings.")
@machine_options
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of everything; that of a run is made of it.",
)
@click.option(
    "--data",
    default="packed-cifar10",
    show_default=True,
    help="packed-cifar10 or cifar10, or either:PATH.",
)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    smoke: bool,
    cells: bool,
    binary: bool,
    pilot: int | None,
    effort: float,
    found: int,
    drawn: int,
    finalists: int | None,
    least: float,
    part: str,
    under: tuple[str, ...],
    table: Path | None,
    supernet_under: tuple[str, ...],
    network_under: tuple[str, ...],
    device: str,
    precision: str,
    threads: int | None,
    seed: int,
    data: str,
    output: Path,
) -> None:
    """Train and search supernets, retrain the found and random networks, and compare them."""
    load_file(str(Path(__file__).with_name("packed_cifar.py")))
    if threads is not None:
        torch.set_num_threads(threads)
    setting = replace(
        _setting(smoke, cells, binary).times(effort),
        under={"search": under, "supernet": supernet_under, "network": network_under},
    )
    if finalists is not None:
        setting = replace(setting, finalists=finalists)
    trial = Trial(
        setting,
        data,
        part,
        Execution(accelerator=device, precision=precision),
        seed,
        output,
        None if table is None else tables.load(table),
    )
    if pilot is not None:
        if part != "validation":
            raise click.UsageError("--pilot chooses a setting: use it with --part validation")
        show_pilot(trial, pilot, least)
        return

    reports: dict[str, list[dict[str, Any]]] = {"found": [], "random": []}
    for number in range(found):
        reports["found"].append(
            trial.retrained(trial.found(number), f"found-{number}", seed + number)
        )
    for number, architecture in enumerate(trial.random(drawn, least)):
        reports["random"].append(
            trial.retrained(architecture, f"random-{number}", seed + found + number)
        )
    comparison = compared(reports)
    perturbed = {
        metric: compared(reports, metric) for metric in perturbed_metrics(reports["found"])
    }
    content = {**comparison, **perturbed, **reports}
    write_text(output / "comparison.json", json.dumps(content, indent=1) + "\n")
    show(reports, {"top1": comparison, **perturbed}, part, trial.cost)


def _setting(smoke: bool, cells: bool, binary: bool) -> Setting:
    if binary:
        return BINARY
    if cells:
        return CELLS
    return SMOKE if smoke else FULL


def show_pilot(trial: Trial, count: int, least: float) -> None:
    """Train random networks twice each; print and write their spread and the noise."""
    architectures = trial.random(count, least)
    rows = []
    for number, architecture in enumerate(architectures):
        seeds = (trial.seed + 2 * number, trial.seed + 2 * number + 1)
        rows.append(
            [
                trial.retrained(architecture, f"pilot-{number}-{repeat}", seed)["top1"]
                for repeat, seed in enumerate(seeds)
            ]
        )
    result = {"top1": rows, **spread_and_noise(np.array(rows))}
    write_text(trial.output / "pilot.json", json.dumps(result, indent=1) + "\n")
    click.echo(
        f"{count} random networks, each trained twice: mean {np.mean(rows):.2f}, deviation between"
        f" networks {result['spread']:.2f}, between trainings {result['noise']:.2f}, ratio"
        f" {result['ratio']:.1f}"
    )


def spread_and_noise(top1: NDArray[np.float64]) -> dict[str, float]:
    """Separate the deviation between networks from that between trainings of one network.

    Args:
        top1: Accuracies [networks, trainings].
    """
    noise = float(top1.var(axis=1, ddof=1).mean())
    # Means of several trainings have a part of the noise as well.
    spread = float(top1.mean(axis=1).var(ddof=1)) - noise / top1.shape[1]
    deviations = {"spread": max(spread, 0.0) ** 0.5, "noise": noise**0.5}
    ratio = deviations["spread"] / deviations["noise"] if noise else float("inf")
    return {**deviations, "ratio": ratio}


def perturbed_metrics(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the top-1 accuracies under perturbations, such as `top1_pgd`."""
    return [
        name
        for name, value in reports[0].items()
        if name.startswith("top1_") and isinstance(value, float)
    ]


def compared(reports: Mapping[str, list[dict[str, Any]]], metric: str = "top1") -> dict[str, float]:
    """Means and deviations of an accuracy of both groups, and their difference with its standard
    error and its 95% interval (Welch's t).
    """
    found_top1, random = (
        np.array([report[metric] for report in reports[group]]) for group in ("found", "random")
    )
    found_variance = found_top1.var(ddof=1) / len(found_top1)
    random_variance = random.var(ddof=1) / len(random)
    error = float(np.sqrt(found_variance + random_variance))
    difference = float(found_top1.mean() - random.mean())

    # Welch and Satterthwaite's degrees of freedom.
    freedom = (found_variance + random_variance) ** 2 / (
        found_variance**2 / (len(found_top1) - 1) + random_variance**2 / (len(random) - 1)
    )
    margin = float(scipy.stats.t.ppf(0.975, freedom)) * error
    return {
        "found_mean": float(found_top1.mean()),
        "found_deviation": float(found_top1.std(ddof=1)),
        "random_mean": float(random.mean()),
        "random_deviation": float(random.std(ddof=1)),
        "random_best": float(random.max()),
        "difference": difference,
        "difference_low": difference - margin,
        "difference_high": difference + margin,
        "standard_error": error,
        "standard_errors": difference / error,
    }


def show(
    reports: Mapping[str, list[dict[str, Any]]],
    comparisons: Mapping[str, Mapping[str, float]],
    part: str,
    cost: CostModel,
) -> None:
    """Print every network with its cost, and the comparison of each accuracy."""
    columns = [f"{part} {metric.replace('top1', 'top-1')}" for metric in comparisons]
    is_count = cost.metric in COUNTS
    factor, header = (1e-6, f"M {cost.metric}") if is_count else (1.0, f"predicted {cost.unit}")
    table = Table("network", header, *columns, "codes")
    for report in sorted(reports["found"] + reports["random"], key=lambda one: -one["top1"]):
        codes = "".join(map(str, report["codes"]))
        values = [f"{report[metric]:.2f}" for metric in comparisons]
        table.add_row(report["name"], f"{factor * report[cost.metric]:.3f}", *values, codes)
    console = Console()
    console.print(table)
    for metric, comparison in comparisons.items():
        reached = (
            "[green]reached[/green]"
            if comparison["standard_errors"] >= TARGET
            else "[red]missed[/red]"
        )
        console.print(
            f"{metric}: found {comparison['found_mean']:.2f} +-"
            f" {comparison['found_deviation']:.2f}, random {comparison['random_mean']:.2f} +-"
            f" {comparison['random_deviation']:.2f} (best"
            f" {comparison['random_best']:.2f}): ahead by {comparison['difference']:.2f} points"
            f" (95%: {comparison['difference_low']:.2f} to {comparison['difference_high']:.2f}),"
            f" {comparison['standard_errors']:.1f} standard errors; target {TARGET:.0f}: {reached}",
            soft_wrap=True,
        )


if __name__ == "__main__":
    main()
