"""Measure how good a cell of NAS-Bench-201 each strategy finds with a number of trained networks.

    python benchmarks/sample_efficiency.py --seeds 20 -o sample-efficiency.jsonl

Every strategy requests validation accuracies (CIFAR-10, 200 epochs) one by one. After 25, 50, 100
and 200 of them the test accuracy of its best cell by validation is reported, the median over seeds.
The last column is the number of evaluations until one of the six cells that reach 94.3% in the test
is among them, the oracle target of the literature. A search ends early when it has the cell with
the best validation accuracy of all, since no other cell can replace it. Every run is stored in the
output when it has ended, so that an interrupted benchmark resumes.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

import tables
from oneshot.search.guide import BenchmarkGuide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.space import Codes
from tables.benchmarks import Benchmark

BUDGETS = (25, 50, 100, 200)
VALIDATION = "cifar10_valid_acc"
TEST = "cifar10_test_acc"
TARGET = 94.3


def strategies(
    predictor: str, initial: int, batch: int, exploration: float, pool: int
) -> dict[str, dict[str, Any]]:
    """Strategy -> options, each planned for as many evaluations as the largest budget.

    The small population of aging evolution is what such a budget affords (the paper's 100 are half
    of it).
    """
    rounds = math.ceil((BUDGETS[-1] - initial) / batch)
    loop = {"initial": initial, "batch": batch, "rounds": rounds, "pool": pool}
    return {
        "random": {"evaluations": BUDGETS[-1]},
        "aging": {"evaluations": BUDGETS[-1], "population": 25, "tournament": 5, "batch": 1},
        "annealing": {"evaluations": BUDGETS[-1]},
        "predictor-loop": {**loop, "predictor": predictor, "exploration": exploration},
    }


class Enough(Exception):
    """Raised when no further evaluation can change the report."""


class Recorder(BenchmarkGuide):
    """The benchmark's validation accuracies, with a record of the queries in order.

    A search is ended by Enough when the largest budget is used up, or when it has the best cell of
    all by validation, which no later cell can replace.
    """

    def __init__(self, benchmark: Benchmark):
        super().__init__(benchmark, VALIDATION)
        self.asked: list[Codes] = []
        self.best = float(benchmark.values(VALIDATION).max())

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values [n], without deviation; raises Enough."""
        scores, deviations = super().score(codes)
        self.asked.append(codes)
        if scores.max() == self.best or sum(map(len, self.asked)) >= BUDGETS[-1]:
            raise Enough
        return scores, deviations


def one_run(
    benchmark: Benchmark, strategy: str, options: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Return the result of one strategy with one seed.

    It has the accuracies by budget, and the number of evaluations to the target.
    """
    begin = time.perf_counter()
    guide = Recorder(benchmark)
    with contextlib.suppress(Enough):
        run_search(SearchProblem(benchmark.space, guide), strategy, options=options, seed=seed)
    queried = np.concatenate(guide.asked)[: BUDGETS[-1]]
    validation = benchmark.query(queried, VALIDATION)
    test = benchmark.query(queried, TEST)
    best = {budget: float(test[:budget][validation[:budget].argmax()]) for budget in BUDGETS}
    reached = np.flatnonzero(test >= TARGET)
    return {
        "strategy": strategy,
        "options": dict(options),
        "seed": seed,
        "evaluated": len(queried),
        "test": {str(budget): value for budget, value in best.items()},
        "validation": {str(budget): float(validation[:budget].max()) for budget in BUDGETS},
        "to_target": int(reached[0]) + 1 if len(reached) else None,
        "seconds": time.perf_counter() - begin,
    }


def kept(path: Path | None) -> list[dict[str, Any]]:
    """The runs of an earlier call; a last line that an interruption cut is removed."""
    if path is None or not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1]
    if complete != text:
        write_text(path, complete)
    return [json.loads(line) for line in complete.splitlines()]


def table_of(runs: list[dict[str, Any]]) -> Table:
    """A row a strategy: medians over seeds, and in parentheses the quartiles' distance."""
    right = [Column(f"after {budget}", justify="right") for budget in BUDGETS]
    table = Table(
        Column("strategy", no_wrap=True),
        "seeds",
        *right,
        Column(f"to {TARGET}%", justify="right"),
        Column("s", justify="right"),
    )
    for name in dict.fromkeys(
        (run["strategy"], json.dumps(run["options"], sort_keys=True)) for run in runs
    ):
        strategy_runs = [
            run
            for run in runs
            if (run["strategy"], json.dumps(run["options"], sort_keys=True)) == name
        ]
        cells = []
        for budget in BUDGETS:
            low, middle, high = np.percentile(
                [run["test"][str(budget)] for run in strategy_runs], [25, 50, 75]
            )
            cells.append(f"{middle:.2f} ({high - low:.2f})")
        to_target = float(
            np.median(
                [
                    math.inf if run["to_target"] is None else run["to_target"]
                    for run in strategy_runs
                ]
            )
        )
        label = (
            name[0]
            if "predictor" not in strategy_runs[0]["options"]
            else f"{name[0]} {strategy_runs[0]['options']['predictor']}"
        )
        target_text = f"> {BUDGETS[-1]}" if math.isinf(to_target) else f"{to_target:g}"
        seconds = float(np.mean([run["seconds"] for run in strategy_runs]))
        table.add_row(label, str(len(strategy_runs)), *cells, target_text, f"{seconds:.1f}")
    return table


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--strategy",
    "chosen",
    multiple=True,
    help="Only these.  [default: random, aging, annealing, predictor-loop]",
)
@click.option(
    "--predictor", default="default", show_default=True, help="Of the loop: default, gates, gp, ..."
)
@click.option(
    "--initial",
    type=click.IntRange(min=10),
    default=10,
    show_default=True,
    help="Random cells at first.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Cells between two fits.",
)
@click.option(
    "--exploration",
    type=float,
    default=0.5,
    show_default=True,
    help="Deviations added to the mean.",
)
@click.option(
    "--pool",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Cells ranked in a round.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="File of NAS-Bench-201.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="JSON lines.",
)
def main(
    seeds: int,
    chosen: tuple[str, ...],
    predictor: str,
    initial: int,
    batch: int,
    exploration: float,
    pool: int,
    data: Path | None,
    output: Path | None,
) -> None:
    """Run every strategy with every seed."""
    benchmark = tables.benchmark("nasbench201", data)
    options_of = strategies(predictor, initial, batch, exploration, pool)
    plan = [
        (name, options_of[name], seed) for name in chosen or options_of for seed in range(seeds)
    ]
    runs: list[dict[str, Any]] = []
    done = {
        (run["strategy"], json.dumps(run["options"], sort_keys=True), run["seed"]): run
        for run in kept(output)
    }
    with Bar(f"{len(plan)} searches") as bar:
        for index, (name, options, seed) in enumerate(plan):
            run = done.get((name, json.dumps(options, sort_keys=True), seed))
            if run is None:
                run = one_run(benchmark, name, options, seed)
                if output is not None:
                    with open(output, "a", encoding="utf-8") as file:
                        file.write(json.dumps(run) + "\n")
            runs.append(run)
            bar.update((index + 1) / len(plan), f"{name}, seed {seed}")
    console = Console()
    console.print(table_of(runs))
    reachable = int((benchmark.values(TEST) >= TARGET).sum())
    best, accuracy = benchmark.best(VALIDATION)
    console.print(
        f"{reachable} cells reach {TARGET}%; the best by validation ({accuracy:.2f}) has in the"
        " test:",
        end=" ",
    )
    console.print(f"{benchmark.query(best, TEST):.2f}")
    console.print(f"read from {benchmark.source}", soft_wrap=True)


if __name__ == "__main__":
    main()
