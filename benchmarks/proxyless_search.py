"""Compare the predictor-guided strategy proxyless with the evolution under 20 constraints.

    python benchmarks/proxyless_search.py -o runs/proxyless-search

For each space both strategies search under 20 limits, from the 5th to the 95th percentile of the
costs of random architectures: for spos of the latency by this project's table, for nasbench201 of
the MACs. Scores of relaxed architectures count as evaluations of the predictor, too: each strategy
has 1000 in all. The same command resumes after an interruption.

The predictors are of the kind gates. Predictors in the output's folder are used; others are fitted
on 200 architectures: for nasbench201 on their accuracies in the benchmark's table, for spos, of
which no table of accuracies is public, on the zero-cost proxy naswot of untrained narrow networks
with the same 20 choices. --predictor names another predictor, such as

    python -m oneshot train --space spos --data FOLDER -o runs/supernet
    python -m oneshot evaluate runs/supernet -n 200 -o evaluations.jsonl
    python -m predictor train --data evaluations.jsonl --space spos --encoder gates \\
        -o spos.safetensors
    python benchmarks/proxyless_search.py --space spos --predictor spos=spos.safetensors \\
        -o runs/proxyless-search
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
from scipy.stats import kendalltau

import spaces
import tables
from oneshot.data.registry import load as load_data
from oneshot.search.constraint import Constraint
from oneshot.search.guide import PredictorGuide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from predictor.proxies.survey import Survey
from predictor.registry import load as load_predictor
from predictor.registry import make
from spaces.console.progress import Bar
from spaces.files import digest, write_text
from spaces.space import Codes, SearchSpace
from tables.cost.model import CostModel, counting_model

SPACES = ("spos", "nasbench201")
TABLE = "amd-epyc-spos-b1-fp32-t2"
METRIC = "cifar10_test_acc"
EVALUATIONS = 1000
TRAIN = 200
HELD_OUT = 50
WITHIN = 1e-6  # of the scores' deviation: rounding between batches of the predictor
NARROW = (
    "spos(input_size=16, stem_stride=1, channels=(16, 32, 64, 128), stem_channels=8,"
    " head_channels=128, num_classes=10)"
)
PROXY = "naswot"
IMAGES = 64

Labelled = tuple[Codes, NDArray[np.float64]]
"""Codes [n, choices] and values [n], greater is better."""


def of_proxy(seed: int) -> Labelled:
    """Architectures of spos and a zero-cost proxy of untrained narrow networks with the same
    choices.
    """
    space = spaces.get(NARROW)
    data = load_data("digits", space.input_shape)
    images, labels = data.train.tensors(np.arange(IMAGES))
    codes = np.asfortranarray(space.sample(np.random.default_rng(seed), TRAIN + HELD_OUT))
    survey = Survey(space, images, labels, 10, [PROXY], seed)
    values = []
    with Bar(f"{PROXY} of networks of spos") as bar:
        for _, measured, _ in survey.run(codes):
            values.append(measured[PROXY])
            bar.update(len(values) / len(codes), f"{len(values)}/{len(codes)}")
    return codes, np.array(values)


def of_benchmark(data: Path | None, seed: int) -> Labelled:
    """Cells of NAS-Bench-201 and their accuracies, in a random order."""
    benchmark = tables.benchmark("nasbench201", data)
    rows = np.random.default_rng(seed).permutation(len(benchmark.codes()))
    return np.asfortranarray(benchmark.codes()[rows]), benchmark.values(METRIC)[rows]


def guide_of(
    space: SearchSpace, given: Path | None, output: Path, data: Path | None, seed: int
) -> PredictorGuide:
    """Return a guide by gates; print how well a newly fitted one ranks unseen architectures."""
    path = given or output / f"{space.name}.safetensors"
    if not path.exists():
        codes, values = of_proxy(seed) if space.name == "spos" else of_benchmark(data, seed)
        fitted = make("gates", space, seed)
        with Bar(f"gates on {space.name}") as bar:
            fitted.fit(np.asfortranarray(codes[:TRAIN]), values[:TRAIN], progress=bar.update)
        tau = float(
            kendalltau(
                fitted.predict(np.asfortranarray(codes[TRAIN:]))[0], values[TRAIN:]
            ).statistic
        )
        count = len(codes) - TRAIN
        Console().print(
            f"{space.name}: gates on {TRAIN} architectures, Kendall's tau {tau:.3f} on {count}"
            " others"
        )
        fitted.save(path)
    return PredictorGuide(load_predictor(path), digest(path)[:16])


def cost_of(space: SearchSpace) -> CostModel:
    """Latency where the project has a table, else MACs."""
    if space.name == "spos":
        return tables.load(TABLE).cost_model(space, "latency_ms")
    return counting_model(space, "macs")


def compared(problem: SearchProblem, seed: int) -> dict[str, dict[str, Any]]:
    """Both strategies on one problem: strategy -> best score, evaluations of the predictor,
    seconds.
    """
    results = {}
    for strategy in ("evolution", "proxyless"):
        begin = time.perf_counter()
        cpu = time.process_time()
        # Both have the same number of evaluations: 20 generations of 50.
        options = {"generations": 20} if strategy == "evolution" else {}
        result = run_search(problem, strategy, options=options, seed=seed)
        seconds = time.perf_counter() - begin
        cpu_seconds = time.process_time() - cpu
        assert problem.feasible(result.codes).all()
        results[strategy] = {
            "best": float(result.best.score),
            "verified": len(result),
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
        }
    return results


def _files(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, Path]:
    results = {}
    for text in given:
        name, separator, path = text.partition("=")
        if name not in SPACES or not separator or not Path(path).is_file():
            raise click.BadParameter(
                f"write SPACE=FILE, a space of {', '.join(SPACES)} and a file; not {text!r}"
            )
        results[name] = Path(path)
    return results


@click.command()
@click.option(
    "--space", "names", type=click.Choice(SPACES), multiple=True, default=SPACES, show_default=True
)
@click.option("--constraints", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--predictor",
    "files",
    multiple=True,
    callback=_files,
    help="SPACE=FILE.  [default: fitted here]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="File of NAS-Bench-201.",
)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    names: tuple[str, ...],
    constraints: int,
    files: dict[str, Path],
    seed: int,
    threads: int,
    data: Path | None,
    output: Path,
) -> None:
    """Print a table of both strategies' best scores, and in how many constraints proxyless is at
    least as good.
    """
    torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    for name in names:
        space = spaces.get(name)
        guide = guide_of(space, files.get(name), output, data, seed)
        model = cost_of(space)
        codes = space.sample(np.random.default_rng(seed), 4096)
        deviation = float(guide.score(codes)[0].std())
        run_search(SearchProblem(space, guide), "proxyless", seed=seed)  # imports, caches
        # Each cost once: a space of few costs would have the same limit several times.
        limits = np.percentile(
            np.unique(model.upper(codes)), np.linspace(5, 95, constraints)
        ).tolist()
        kind = {
            "evaluations": EVALUATIONS,
            "seed": seed,
            "predictor": guide.name,
            "metric": model.metric,
        }
        kind |= {"threads": threads, "limits": limits}
        runs = done_before(output / f"{name}.json", kind)
        with Bar(f"{constraints} constraints on {name}") as bar:
            for number, limit in list(enumerate(limits))[len(runs) :]:
                constraint = Constraint(model.metric, limit, model, device=model.device)
                results = compared(SearchProblem(space, guide, [constraint]), seed + number)
                gap = (results["proxyless"]["best"] - results["evolution"]["best"]) / deviation
                runs.append({"limit": limit, "gap": gap, **results})
                write_text(
                    output / f"{name}.json", json.dumps({**kind, "runs": runs}, indent=1) + "\n"
                )
                bar.update((number + 1) / constraints, f"{limit:.4g}")
        Console().print(table_of(name, model.metric, runs))


def done_before(path: Path, kind: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of an earlier call of the same kind; raises UsageError where those in the file are
    of another.
    """
    if not path.exists():
        return []
    results = json.loads(path.read_text())
    runs: list[dict[str, Any]] = results.pop("runs")
    if results != kind:
        raise click.UsageError(f"{path} holds other searches; choose another folder")
    return runs


def table_of(name: str, metric: str, runs: list[dict[str, Any]]) -> Table:
    """Return a table with a row per constraint; its title counts proxyless's wins and ties."""
    heads = (
        "evolution",
        "proxyless",
        "gap in deviations",
        "s evolution",
        "s proxyless",
        "CPU s proxyless",
    )
    good = sum(run["gap"] >= -WITHIN for run in runs)
    slowest = max(run["proxyless"]["seconds"] for run in runs)
    title = (
        f"{name}, {EVALUATIONS} evaluations: proxyless at least as good in {good} of {len(runs)}"
        f" constraints, at most {slowest:.2f} s"
    )
    table = Table(metric, *(Column(head, justify="right") for head in heads), title=title)
    for run in runs:
        evolution = run["evolution"]
        proxyless = run["proxyless"]
        cells = (
            f"{evolution['best']:.4f}",
            f"{proxyless['best']:.4f}",
            f"{run['gap']:+.3f}",
            f"{evolution['seconds']:.2f}",
        )
        table.add_row(
            f"{run['limit']:.5g}",
            *cells,
            f"{proxyless['seconds']:.2f}",
            f"{proxyless['cpu_seconds']:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
