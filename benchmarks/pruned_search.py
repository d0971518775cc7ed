"""Search pruned spaces of NAS-Bench-Macro with half of the evaluations.

    python benchmarks/pruned_search.py --data nas-bench-macro_cifar10.json -o pruned-search.json

A sample of evaluated networks prunes the space by each rule of `python -m tables prune`; MACs stand
for latencies. Aging evolution and random search then score networks below limits of MACs. Every
evaluation is one of a network's three trainings, drawn once for each seed; the networks that were
found are compared by the mean of their trainings. The sample is not among the evaluations of a
search; a search of the whole space with the evaluations of both is the last row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

import tables
from oneshot.search.constraint import Limit
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.formats.json_text import read_json
from spaces.registry import get
from spaces.space import Codes, SearchSpace
from tables.effects import Effects
from tables.pruning import dominated_candidates

QUANTILES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Limits, as quantiles of the MACs of all networks."""

MARGIN = 2.0
"""Standard errors, the default of the rules."""

RULES = ("whole", "dominated without a margin", "dominated", "effects")

Masks = list[NDArray[np.bool_]]


class OneTraining:
    """A guide that scores each network by one of its trainings.

    Args:
        rows: Codes of a network -> its row.
        scores: Accuracy of each row.
    """

    def __init__(self, rows: Mapping[tuple[int, ...], int], scores: NDArray[np.float64]):
        self.rows = rows
        self.scores = scores

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the accuracies [n] of networks with the codes [n, layers], and deviations of 0."""
        rows = [self.rows[tuple(row)] for row in codes.tolist()]
        return self.scores[rows], np.zeros(len(codes))

    def to_dict(self) -> dict[str, str]:
        """Return the kind, for the record of the search."""
        return {"kind": "training"}


@dataclass(frozen=True)
class Trainings:
    """All networks of NAS-Bench-Macro with their trainings.

    Args:
        codes: Codes of the networks, [n, layers].
        accuracies: Test accuracies in percent, [n, trainings].
    """

    codes: Codes
    accuracies: NDArray[np.float64]

    @classmethod
    def from_file(cls, path: Path) -> Trainings:
        """Read the project's JSON file."""
        entries = read_json(path)
        codes = np.array([[int(digit) for digit in name] for name in entries])
        return cls(codes, np.array([entry["test_acc"] for entry in entries.values()]))

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """The mean accuracy of each network, [n]."""
        return np.asarray(self.accuracies.mean(axis=1))

    @cached_property
    def rows(self) -> dict[tuple[int, ...], int]:
        """Codes of a network -> its row."""
        return {tuple(row): index for index, row in enumerate(self.codes.tolist())}

    def mean_of(self, codes: Codes) -> float:
        """Return the mean accuracy of a network with the codes [layers]."""
        return float(self.means[self.rows[tuple(codes.tolist())]])

    def draw(self, rng: np.random.Generator) -> OneTraining:
        """Draw one training of each network."""
        columns = rng.integers(self.accuracies.shape[1], size=len(self.codes))
        drawn = self.accuracies[np.arange(len(self.codes)), columns]
        return OneTraining(self.rows, drawn)


def prune(
    space: SearchSpace, codes: Codes, scores: NDArray[np.float64], rule: str, limit: float
) -> Masks:
    """Return which candidates a rule leaves, bool [candidates] of each choice."""
    macs = space.additive_table(lambda block: float(block.macs))
    sizes = [len(choice.candidates) for choice in space.choices]
    if rule == "effects":
        return [
            ~mask for mask in Effects.fit(codes, scores, sizes).unpromising(macs, limit, MARGIN)
        ]
    if not rule.startswith("dominated"):
        return [np.ones(size, dtype=bool) for size in sizes]

    masks = []
    for column, size in enumerate(sizes):
        groups = [scores[codes[:, column] == code] for code in range(size)]
        means = np.array([group.mean() for group in groups])
        errors = np.array([group.std(ddof=1) / np.sqrt(len(group)) for group in groups])
        margin = 0.0 if "margin" in rule else MARGIN
        masks.append(~dominated_candidates(macs.terms[column], means, errors, margin))
    return masks


def one_search(
    space: SearchSpace,
    guide: OneTraining,
    masks: Masks,
    limit: float,
    strategy: str,
    evaluations: int,
    seed: int,
) -> Codes:
    """Return the codes of the best network that a search found."""
    constraint = Limit("macs", limit, None).bind(space, tables.load)
    problem = SearchProblem(space, guide, [constraint], remaining=masks)
    options: dict[str, Any] = {"evaluations": evaluations}
    if strategy == "aging":
        options |= {"population": 20, "tournament": 5, "batch": 1}
    result = run_search(problem, strategy, options=options, seed=seed)
    return space.encode([result.best.architecture])[0]


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="nas-bench-macro_cifar10.json.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=40, show_default=True)
@click.option(
    "--sample",
    type=click.IntRange(min=30),
    default=300,
    show_default=True,
    help="Evaluated networks that the rules read.",
)
@click.option(
    "--evaluations",
    type=click.IntRange(min=40),
    default=100,
    show_default=True,
    help="Evaluations of a search of the whole space; searches of pruned spaces have half.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def main(data: Path, seeds: int, sample: int, evaluations: int, output: Path | None) -> None:
    """Compare searches of the whole space with those of pruned spaces."""
    space = get("nasbench-macro")
    trainings = Trainings.from_file(data)
    macs = space.macs(trainings.codes)
    plan = [
        (float(np.quantile(macs, quantile)), seed)
        for quantile in QUANTILES
        for seed in range(seeds)
    ]

    rows: list[dict[str, Any]] = []
    with Bar(f"{len(plan)} limits and seeds") as bar:
        for index, (limit, seed) in enumerate(plan):
            rows += one_seed(space, trainings, limit, seed, sample, evaluations)
            bar.update((index + 1) / len(plan), f"limit {limit / 1e6:.1f} M, seed {seed}")

    print_table(rows)
    if output is not None:
        write_text(output, json.dumps(rows, indent=1) + "\n")


def one_seed(
    space: SearchSpace,
    trainings: Trainings,
    limit: float,
    seed: int,
    sample: int,
    evaluations: int,
) -> list[dict[str, Any]]:
    """Search below a limit by every rule; return a row for each."""
    rng = np.random.default_rng(seed)
    codes = trainings.codes
    below = space.macs(codes) <= limit
    guide = trainings.draw(rng)
    scores, _ = guide.score(codes)
    sampled = rng.permutation(len(codes))[:sample]

    rows = []
    for rule in (*RULES, "whole, also with the sample's evaluations"):
        masks = prune(space, codes[sampled], scores[sampled], rule, limit)
        count = {"whole": evaluations}.get(rule, evaluations // 2)
        if rule not in RULES:
            count += sample
        remains = np.all([mask[codes[:, column]] for column, mask in enumerate(masks)], axis=0)
        row = {"limit": limit, "seed": seed, "rule": rule, "remaining": int(remains.sum())}
        row["possible"] = float(trainings.means[remains & below].max())
        for strategy in ("aging", "random"):
            row[strategy] = trainings.mean_of(
                one_search(space, guide, masks, limit, strategy, count, seed)
            )
        rows.append(row)
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print means over seeds, and of strategies the difference to the whole space."""
    whole = {(row["limit"], row["seed"]): row for row in rows if row["rule"] == "whole"}
    names = ("remaining", "possible", "aging", "to whole", "random", "to whole")
    table = Table("MACs", "space", *(Column(name, no_wrap=True) for name in names))
    for limit, rule in dict.fromkeys((row["limit"], row["rule"]) for row in rows):
        group = [row for row in rows if (row["limit"], row["rule"]) == (limit, rule)]
        texts = [f"{np.mean([row['remaining'] for row in group]):.0f}"]
        texts.append(f"{np.mean([row['possible'] for row in group]):.3f}")
        for strategy in ("aging", "random"):
            gains = [row[strategy] - whole[limit, row["seed"]][strategy] for row in group]
            error = np.std(gains, ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.nan
            texts.append(f"{np.mean([row[strategy] for row in group]):.3f}")
            texts.append(f"{np.mean(gains):+.3f} ± {error:.3f}")
        table.add_row(f"{limit / 1e6:.1f} M", rule, *texts)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
