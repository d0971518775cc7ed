"""Compare rankings by supernets, with and without `--under`, with the accuracies in few bits.

    python benchmarks/int8_ranking.py --threads 1 -o runs/int8-ranking

On CIFAR-10, in a small space of SPOS, one supernet is trained without a perturbation and one under
`int8` for each number of bits, from the same seed. Random networks are trained alone, without a
perturbation and under `int8(bits=4)`, and tested in 8 and 4 bits. The report has Kendall's tau of
each ranking to each test accuracy, and the difference that `--under` makes, with 95% intervals of
the bootstrap over networks. The same command resumes after an interruption.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
from machine import machine_options, prepare
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from oneshot.algorithms.training import train_supernet
from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.evaluation.evaluator import Evaluator
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.perturbations import Conditions
from oneshot.retraining.network_training import train_network
from oneshot.retraining.options import RetrainOptions
from oneshot.retraining.report import report_on_test
from oneshot.run import Run, begin
from oneshot.run_settings import RunSettings
from oneshot.training.execution import Execution
from oneshot.training.recipe import Recipe
from predictor.verdict.intervals import TAIL, weighted_kendall
from spaces import __version__
from spaces.codes import distinct
from spaces.files import write_text
from spaces.registry import get
from spaces.space import Codes, SearchSpace

SPACE = (
    "spos(input_size=32, stem_stride=2, repeats=(2, 2), channels=(12, 24), stem_channels=6,"
    " head_channels=64, channel_scales=(0.17, 2), num_classes=10)"
)
CLEAN = "clean"
CONDITIONS = {"int8": "int8", "int4": "int8(bits=4)"}
"""Name, also of folders -> perturbation."""

RECALIBRATION = 8
RESAMPLES = 10_000

Array = NDArray[np.float64]


@click.command()
@click.option("--space", "family", default=SPACE, help="Space of the networks.")
@click.option("--networks", "count", type=click.IntRange(min=3), default=30, show_default=True)
@click.option("--supernet-steps", type=click.IntRange(min=1), default=2000, show_default=True)
@click.option("--network-steps", type=click.IntRange(min=1), default=600, show_default=True)
@click.option("--data", default="packed-cifar10", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@machine_options
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    family: str,
    count: int,
    supernet_steps: int,
    network_steps: int,
    data: str,
    seed: int,
    output: Path,
    **options: Any,
) -> None:
    """Train supernets and networks, and print the rankings' correlations."""
    execution = prepare(options)
    space = get(family)
    steps = {"supernet": supernet_steps, "network": network_steps}
    comparison = Comparison(space, data, steps, execution, seed, output)
    codes = distinct(space.sample(np.random.default_rng([seed, 7]), 10 * count))[:count]

    scores = {
        (trained, scored): comparison.scores(codes, trained, scored)
        for trained, scored in [(CLEAN, CLEAN), *_pairs()]
    }
    reports = {
        trained: [comparison.accuracies(row, number, trained) for number, row in enumerate(codes)]
        for trained in (CLEAN, "int4")
    }

    results = [
        compare(name, trained, scores, reports, seed) for trained in reports for name in CONDITIONS
    ]
    write_text(
        output / "comparison.json",
        json.dumps({"codes": codes.tolist(), "networks": reports, "results": results}, indent=1)
        + "\n",
    )
    show(results, reports)


def _pairs() -> list[tuple[str, str]]:
    """Return the conditions of supernets' training and evaluation, of rankings with `--under`."""
    return [(trained, name) for name in CONDITIONS for trained in (CLEAN, name)]


@dataclass(frozen=True)
class Comparison:
    """The trainings of the comparison, each stored in a folder.

    Args:
        space: Space of the networks.
        data_name: Name of the data set.
        steps: Kind of a run -> number of its updates.
        execution: Devices and precision.
        seed: Seed of all trainings.
        output: Folder of everything.
    """

    space: SearchSpace
    data_name: str
    steps: Mapping[str, int]
    execution: Execution
    seed: int
    output: Path

    @cached_property
    def data(self) -> ImageData:
        """Data set with 10,000 validation images."""
        return load_data(self.data_name, self.space.input_shape, validation=10_000)

    def scores(self, codes: Codes, trained: str, scored: str) -> Array:
        """Return the negative cross-entropies [n] of networks in a supernet.

        Args:
            codes: Codes of the networks [n, choices].
            trained: Condition of the supernet's training.
            scored: Condition of the evaluation.
        """
        path = self.output / f"scores-{trained}-{scored}.json"
        if not path.exists():
            run = self._run(f"supernet-{trained}", "supernet", trained, self.seed)
            supernet = train_supernet(run, execution=self.execution, data=self.data)
            settings = EvaluationSettings(images=2000, recalibration_batches=RECALIBRATION)
            under = under_condition(scored)
            conditions = Conditions.parse(under) if under else None
            evaluator = Evaluator(supernet, self.data, settings, conditions=conditions)
            metric = "cross_entropy" if scored == CLEAN else "cross_entropy_int8"
            scores = [-metrics[metric] for metrics in evaluator.evaluate_many(codes)]
            write_text(path, json.dumps(scores))
        return np.array(json.loads(path.read_text()))

    def accuracies(self, codes: Codes, number: int, trained: str) -> dict[str, float]:
        """Return the test accuracies of a network without a perturbation and under each.

        Args:
            codes: Codes of the network [choices].
            number: Number of the network, which decides its seed.
            trained: Condition of its training.
        """
        (architecture,) = self.space.decode(codes[None])
        options = RetrainOptions(augment=False, norm_batches=RECALIBRATION)
        run = self._run(
            f"network-{number}-{trained}",
            "network",
            trained,
            self.seed + 1 + number,
            architecture=architecture.to_dict(),
            retraining=options.to_dict(),
        )
        path = run.folder / "accuracies.json"
        if not path.exists():
            network = train_network(run, execution=self.execution, data=self.data)
            accuracies = {}
            for name in CONDITIONS:
                conditions = Conditions.parse(under_condition(name))
                report = report_on_test(network, self.data, conditions=conditions)
                accuracies |= {CLEAN: report["top1"], name: report["top1_int8"]}
            write_text(path, json.dumps(accuracies))
        result: dict[str, float] = json.loads(path.read_text())
        return result

    def _run(self, folder: str, kind: str, trained: str, seed: int, **others: Any) -> Run:
        recipe = Recipe(steps=self.steps[kind], batch_size=64, schedule="cosine", clip=5.0)
        settings = RunSettings.from_dict(
            {
                "kind": kind,
                "space": self.space.name,
                "data": self.data.record(),
                "recipe": recipe.to_dict(),
                "seed": seed,
                "execution": self.execution.to_dict(),
                "version": __version__,
                "command": "benchmarks/int8_ranking.py",
                "under": under_condition(trained),
                **others,
            }
        )
        return begin(self.output / folder, settings, resume=True)


def under_condition(name: str) -> list[str]:
    """Return the values of `--under` of a condition."""
    return [] if name == CLEAN else [f"{CONDITIONS[name]}=1"]


def compare(
    name: str,
    trained: str,
    scores: Mapping[tuple[str, str], Array],
    reports: Mapping[str, Sequence[Mapping[str, float]]],
    seed: int,
) -> dict[str, Any]:
    """Return Kendall's tau of each ranking to the accuracies in few bits, with intervals.

    Args:
        name: Condition of the accuracies.
        trained: Condition under which the networks were trained.
        scores: Conditions of the supernet's training and of the evaluation -> scores [n].
        reports: Condition of the networks' training -> accuracies of each network.
        seed: Seed of the bootstrap.
    """
    truth = np.array([report[name] for report in reports[trained]])
    rankings = {
        "without": scores[CLEAN, CLEAN],
        "evaluated": scores[CLEAN, name],
        "trained": scores[name, name],
    }
    count = len(truth)
    resamples = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    weights = np.concatenate([np.ones((1, count)), resamples]).astype(np.float32)

    # All rankings have the same resamples, so that differences are paired.
    taus = {key: weighted_kendall(values, truth, weights) for key, values in rankings.items()}
    figures = {key: _with_interval(values) for key, values in taus.items()}
    for key in ("evaluated", "trained"):
        figures[f"{key} - without"] = _with_interval(taus[key] - taus["without"])
    return {"accuracy": name, "networks": trained, **figures}


def _with_interval(values: Array) -> list[float]:
    """Return the first value, that of all networks, and the interval of the others."""
    low, high = np.nanquantile(values[1:], [TAIL, 1 - TAIL])
    return [float(values[0]), float(low), float(high)]


def show(
    results: Sequence[Mapping[str, Any]], reports: Mapping[str, Sequence[Mapping[str, float]]]
) -> None:
    """Print the correlations and the networks' accuracies."""
    table = Table("networks trained", "tested in", "ranking", "tau (95%)")
    for result in results:
        for key, figure in result.items():
            if isinstance(figure, list):
                tau, low, high = figure
                text = f"{tau:.2f} ({low:.2f} to {high:.2f})"
                table.add_row(result["networks"], result["accuracy"], key, text)
    console = Console()
    console.print(table)
    for trained, networks in reports.items():
        for name in networks[0]:
            top1 = np.array([network[name] for network in networks])
            console.print(
                f"networks trained {trained}, top-1 under {name}: {top1.mean():.1f} +-"
                f" {top1.std(ddof=1):.1f}"
            )


if __name__ == "__main__":
    main()
