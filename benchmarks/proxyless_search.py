"""The predictor-guided strategy proxyless beside the evolution: as many scores of the predictor, 20 constraints.

    python benchmarks/proxyless_search.py -o proxyless-search.json

For each space a predictor of the kind gates is fitted, then both strategies search under 20 limits, from the 5th to
the 95th percentile of the costs of random architectures: of spos the latency by the table of this project, of
nasbench201 the MACs. Scores of relaxed architectures count as evaluations of the predictor, too: each strategy has
1000 in all. The values that the predictors are fitted on are the accuracies of NAS-Bench-201 where its file is given;
elsewhere they are made up, with a number for each candidate and one for each pair of candidates that follow each other.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

import spaces
import tables
from oneshot.constraint import Constraint
from oneshot.guide import PredictorGuide
from oneshot.problem import SearchProblem
from oneshot.search_loop import search
from predictor.registry import make
from spaces.files import write_text
from spaces.progress import Bar
from spaces.space import Codes, SearchSpace
from tables.cost_model import CostModel, counting_model

SPACES = ("spos", "nasbench201")
TABLE = "amd-epyc-spos-b1-fp32-t2"
METRIC = "cifar10_test_acc"
EVALUATIONS = 1000
WITHIN = 1e-6  # of the scores' deviation: rounding between batches of the predictor


def made_up(space: SearchSpace, codes: Codes, seed: int) -> NDArray[np.float64]:
    """Values [n] of codes [n, choices]: terms of candidates and of pairs that follow each other, and noise."""
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 0.3, len(codes))
    for column, count in enumerate(space.candidates):
        found += rng.normal(0, 1, count)[codes[:, column]]
        if column:
            pairs = rng.normal(0, 0.5, (space.candidates[column - 1], count))
            found += pairs[codes[:, column - 1], codes[:, column]]
    return found


def fitted(space: SearchSpace, train: int, data: Path | None, seed: int) -> PredictorGuide:
    """A guide by gates."""
    rng = np.random.default_rng(seed)
    if space.name == "nasbench201" and data is not None:
        benchmark = tables.benchmark("nasbench201", data)
        rows = rng.permutation(len(benchmark.codes()))[:train]
        codes, values = benchmark.codes()[rows], benchmark.values(METRIC)[rows]
    else:
        codes = space.sample(rng, train)
        values = made_up(space, codes, seed)
    found = make("gates", space, seed)
    with Bar(f"gates on {space.name}") as bar:
        found.fit(codes, values, progress=bar.update)
    return PredictorGuide(found, "gates")


def cost_of(space: SearchSpace) -> CostModel:
    """Latency where the project has a table, else MACs."""
    if space.name == "spos":
        return tables.load(TABLE).cost_model(space, "latency_ms")
    return counting_model(space, "macs")


def compared(problem: SearchProblem, seed: int) -> dict[str, dict[str, Any]]:
    """Both strategies on one problem: strategy -> best score, evaluations of the predictor, seconds."""
    found = {}
    for strategy in ("evolution", "proxyless"):
        begin = time.perf_counter()
        result = search(problem, strategy, seed=seed)
        seconds = time.perf_counter() - begin
        assert problem.feasible(result.codes).all()
        found[strategy] = {"best": float(result.best.score), "verified": len(result), "seconds": seconds}
    return found


@click.command()
@click.option("--space", "names", type=click.Choice(SPACES), multiple=True, default=SPACES, show_default=True)
@click.option("--constraints", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--train", type=click.IntRange(min=10), default=200, show_default=True, help="Fitted on.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--data", type=click.Path(exists=True, path_type=Path), default=None, help="File of NAS-Bench-201.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="JSON.")
def main(
    names: tuple[str, ...],
    constraints: int,
    train: int,
    seed: int,
    threads: int,
    data: Path | None,
    output: Path | None,
) -> None:
    """Print a table of both strategies' best scores, and in how many constraints proxyless is at least as good."""
    torch.set_num_threads(threads)
    runs: list[dict[str, Any]] = []
    for name in names:
        space = spaces.get(name)
        guide, model = fitted(space, train, data, seed), cost_of(space)
        codes = space.sample(np.random.default_rng(seed), 4096)
        deviation = float(guide.score(codes)[0].std())
        search(SearchProblem(space, guide), "proxyless", seed=seed)  # imports, caches
        with Bar(f"{constraints} constraints on {name}") as bar:
            for number, limit in enumerate(np.percentile(model.upper(codes), np.linspace(5, 95, constraints))):
                constraint = Constraint(model.metric, float(limit), model, device=model.device)
                found = compared(SearchProblem(space, guide, [constraint]), seed + number)
                gap = (found["proxyless"]["best"] - found["evolution"]["best"]) / deviation
                runs.append({"space": name, "metric": model.metric, "limit": float(limit), "gap": gap, **found})
                bar.update((number + 1) / constraints, f"{limit:.4g}")
        Console().print(table_of(name, [run for run in runs if run["space"] == name]))
    if output is not None:
        write_text(output, json.dumps({"evaluations": EVALUATIONS, "train": train, "runs": runs}, indent=1))


def table_of(name: str, runs: list[dict[str, Any]]) -> Table:
    """A row a constraint; the last line tells how often proxyless is at least as good."""
    heads = ("evolution", "proxyless", "gap in deviations", "s evolution", "s proxyless")
    good = sum(run["gap"] >= -WITHIN for run in runs)
    slowest = max(run["proxyless"]["seconds"] for run in runs)
    title = (
        f"{name}, {EVALUATIONS} evaluations: proxyless at least as good in {good} of {len(runs)} constraints, "
        f"at most {slowest:.2f} s"
    )
    table = Table(runs[0]["metric"], *(Column(head, justify="right") for head in heads), title=title)
    for run in runs:
        one, other = run["evolution"], run["proxyless"]
        cells = (f"{one['best']:.4f}", f"{other['best']:.4f}", f"{run['gap']:+.3f}")
        table.add_row(f"{run['limit']:.5g}", *cells, f"{one['seconds']:.2f}", f"{other['seconds']:.2f}")
    return table


if __name__ == "__main__":
    main()
