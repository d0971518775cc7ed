"""Whether the networks that a search finds are better than random ones under the same constraint.

    python benchmarks/found_vs_random.py --smoke -o runs/found-vs-random-smoke
    python benchmarks/found_vs_random.py --device gpu --precision bf16 -o runs/found-vs-random

On CIFAR-10, in a scaled space of SPOS: for each of three seeds a supernet is trained and searched by evolution under a
limit of FLOPs, the median of the space. The three networks that were found and ten random ones under the same limit
are trained alike, each from fresh weights of its own seed, and tested. Told is the difference of the mean test
accuracies in standard errors, sqrt(s_found^2 / 3 + s_random^2 / 10); the target is 2. Whatever was done before an
interruption is kept: the same command goes on.

Data: `packed_cifar.py` beside this file says where the images are looked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from oneshot.constraint import Limit
from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.evaluator import Evaluator
from oneshot.problem import SearchProblem
from oneshot.recipe import Recipe
from oneshot.retraining.network_training import device_of, train_network
from oneshot.retraining.options import RetrainOptions
from oneshot.retraining.report import report_on_test
from oneshot.run import Run, begin
from oneshot.search_loop import search
from oneshot.supernet_training import train_supernet
from oneshot.training.execution import Execution
from spaces import __version__
from spaces.architecture import Architecture
from spaces.files import write_text
from spaces.plugins import load_file
from spaces.progress import Bar
from spaces.registry import get
from spaces.space import Codes, SearchSpace

TARGET = 2.0


@dataclass(frozen=True)
class Setting:
    """How much is done.

    Args:
        space: that is searched.
        images: training images (None: all that are left after the cut).
        validation: images by which the supernet ranks.
        supernet: recipe of the supernets.
        network: recipe of all networks.
        evolution: options of the search.
        recalibration: batches of 128 training images for each evaluated network.
        augment: whether training images are varied.
    """

    space: str
    images: int | None
    validation: int
    supernet: Mapping[str, Any]
    network: Mapping[str, Any]
    evolution: Mapping[str, Any]
    recalibration: int
    augment: bool

    def times(self, effort: float) -> Setting:
        """The setting with so many times the epochs."""
        supernet, network = (
            {**recipe, "epochs": max(1, round(recipe["epochs"] * effort))} for recipe in (self.supernet, self.network)
        )
        return replace(self, supernet=supernet, network=network)


FULL = Setting(
    space="spos(input_size=32, stem_stride=1, repeats=(3, 3, 4), channels=(64, 128, 256), head_channels=512, "
    "num_classes=10)",
    images=None,
    validation=5000,
    supernet={"epochs": 120, "batch_size": 256, "learning_rate": 0.1, "schedule": "cosine", "clip": 5.0},
    network={"epochs": 60, "batch_size": 256, "learning_rate": 0.1, "schedule": "cosine", "weight_decay": 5e-4},
    evolution={},
    recalibration=40,
    augment=True,
)
SMOKE = Setting(
    space="spos(input_size=16, stem_stride=1, repeats=(2, 2, 2), channels=(16, 32, 64), stem_channels=8, "
    "head_channels=128, num_classes=10)",
    images=8000,
    validation=1000,
    supernet={"epochs": 10, "batch_size": 64, "learning_rate": 0.1, "schedule": "cosine", "clip": 5.0},
    network={"epochs": 4, "batch_size": 64, "learning_rate": 0.1, "schedule": "cosine"},
    evolution={"population": 16, "generations": 5, "parents": 5, "crossovers": 8, "mutations": 8},
    recalibration=4,
    augment=True,
)


@click.command()
@click.option("--smoke", is_flag=True, help="A setting for five minutes of one processor core.")
@click.option("--effort", type=float, default=1.0, show_default=True, help="Times the epochs of all trainings.")
@click.option("--found", type=click.IntRange(min=2), default=3, show_default=True, help="Supernets and searches.")
@click.option("--random", "drawn", type=click.IntRange(min=2), default=10, show_default=True, help="Random networks.")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--threads", type=int, default=None, help="Torch threads.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything; that of a run is made of it.")
@click.option("--data", default="packed-cifar10", show_default=True, help="packed-cifar10 or cifar10, or either:PATH.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    smoke: bool,
    effort: float,
    found: int,
    drawn: int,
    device: str,
    precision: str,
    threads: int | None,
    seed: int,
    data: str,
    output: Path,
) -> None:
    """Train supernets, search them, retrain what was found and random networks alike, and compare."""
    load_file(str(Path(__file__).with_name("packed_cifar.py")))
    if threads is not None:
        torch.set_num_threads(threads)
    setting = (SMOKE if smoke else FULL).times(effort)
    bench = Bench(setting, data, Execution(accelerator=device, precision=precision), seed, output)
    reports: dict[str, list[dict[str, Any]]] = {"found": [], "random": []}
    for number in range(found):
        architecture = bench.found(number)
        reports["found"].append(bench.retrained(architecture, f"found-{number}", seed + number))
    for number, architecture in enumerate(bench.random(drawn)):
        reports["random"].append(bench.retrained(architecture, f"random-{number}", seed + found + number))
    told = compared(reports)
    write_text(output / "comparison.json", json.dumps({**told, **reports}, indent=1) + "\n")
    show(reports, told)


class SupernetLoss:
    """A guide: negative cross-entropies by a supernet on a part of the images, which no run's record can give again.

    Args:
        evaluator: of the supernet.
        run: of its training.
    """

    def __init__(self, evaluator: Evaluator, run: Run):
        self.evaluator, self.run = evaluator, run

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores [n] of codes [n, choices], without deviation."""
        scores = [-found["cross_entropy"] for found in self.evaluator.evaluate_many(codes)]
        return np.array(scores), np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """The guide's kind and name."""
        return {"kind": "supernet", "name": str(self.run.folder)}


class Bench:
    """The steps of the comparison, each kept in a folder.

    Args:
        setting: how much is done.
        data: name of the data set.
        execution: devices and precision.
        seed: of everything.
        output: the folder.
    """

    def __init__(self, setting: Setting, data: str, execution: Execution, seed: int, output: Path):
        self.setting, self.execution, self.seed, self.output = setting, execution, seed, output
        self.space: SearchSpace = get(setting.space)
        # A limit bounds every part; the test part must stay whole.
        whole = load_data(data, self.space.input_shape, validation=setting.validation)
        self.data: ImageData = _with_fewer(whole, setting.images, seed)
        macs = self.space.macs(self.space.sample(np.random.default_rng(seed), 4096))
        self.limit = Limit("flops", float(np.median(macs)))

    def _run(self, folder: str, kind: str, recipe: Mapping[str, Any], seed: int, **more: Any) -> Run:
        settings = {
            "kind": kind,
            "space": self.space.name,
            "data": self.data.record(),
            "recipe": Recipe(**recipe).to_dict(),
            "seed": seed,
            "execution": self.execution.to_dict(),
            "version": __version__,
            "command": "benchmarks/found_vs_random.py",
            **more,
        }
        return begin(self.output / folder, settings, resume=True)

    def problem(self, number: int) -> SearchProblem:
        """The search on the supernet with this number, which is trained first."""
        seed = self.seed + 1000 + number
        augmentation = {"augment": self.setting.augment, "colour_jitter": 0.0}
        run = self._run(f"supernet-{number}", "supernet", self.setting.supernet, seed, augmentation=augmentation)
        with Bar(f"supernet {number}") as bar:
            supernet = train_supernet(run, bar.update, self.execution, self.data)
        settings = EvaluationSettings(
            images=self.setting.validation,
            recalibration_batches=self.setting.recalibration,
            precision=self.execution.precision,
        )
        evaluator = Evaluator(supernet, self.data, settings, device=self.execution.accelerator)
        return SearchProblem(self.space, SupernetLoss(evaluator, run), [self._constraint()])

    def _constraint(self) -> Any:
        return self.limit.bind(self.space, lambda name: _no_table(name))

    def found(self, number: int) -> Architecture:
        """The best network that a search finds on the supernet with this number."""
        path = self.output / f"search-{number}.json"
        if not path.exists():
            with Bar(f"search {number}") as bar:
                result = search(
                    self.problem(number),
                    "evolution",
                    options=self.setting.evolution,
                    seed=self.seed + number,
                    progress=lambda done, planned, best: bar.update(done / planned, f"{done}/{planned}, {best:.4f}"),
                )
            result.save(path)
        return Architecture.from_dict(json.loads(path.read_text())["best"][0]["architecture"])

    def random(self, count: int) -> list[Architecture]:
        """Random networks that meet the constraint."""
        rng = np.random.default_rng([self.seed, 7])
        codes = self.space.sample(rng, 100 * count)
        return self.space.decode(codes[self._constraint().met(codes)][:count])

    def retrained(self, architecture: Architecture, name: str, seed: int) -> dict[str, Any]:
        """The test report of a network that is trained from fresh weights."""
        options = RetrainOptions(augment=self.setting.augment, norm_batches=self.setting.recalibration)
        more = {"architecture": architecture.to_dict(), "retraining": options.to_dict()}
        run = self._run(name, "network", self.setting.network, seed, **more)
        path = run.folder / "test.json"
        if not path.exists():
            with Bar(name) as bar:
                network = train_network(run, bar.update, self.execution, self.data)
            report = report_on_test(network, self.data, device_of(self.execution))
            told = {"name": name, "codes": self.space.encode([architecture])[0].tolist()}
            macs = int(self.space.macs(architecture))
            write_text(path, json.dumps({**told, "macs": macs, **report}, indent=1) + "\n")
        report = json.loads(path.read_text())
        assert isinstance(report, dict)
        return report


def _no_table(name: str) -> Any:
    raise click.UsageError(f"a count needs no table, such as {name}")


def _with_fewer(data: ImageData, images: int | None, seed: int) -> ImageData:
    """The data set with `images` of its training images, drawn by the seed, all validation and all test images."""
    from oneshot.data.pixels import PixelSplit

    if images is None:
        return data
    train = data.train
    assert isinstance(train, PixelSplit)
    index = torch.from_numpy(np.random.default_rng(seed).permutation(len(train))[:images])
    fewer = replace(train, pixels=train.pixels[index], labels=train.labels[index])
    return replace(data, train=fewer, digest=f"{data.digest}, {images} for training by seed {seed}")


def compared(reports: Mapping[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Means and deviations of top-1 of both groups, and their difference in standard errors."""
    found, random = (np.array([report["top1"] for report in reports[group]]) for group in ("found", "random"))
    error = float(np.sqrt(found.var(ddof=1) / len(found) + random.var(ddof=1) / len(random)))
    difference = float(found.mean() - random.mean())
    return {
        "found_mean": float(found.mean()),
        "found_deviation": float(found.std(ddof=1)),
        "random_mean": float(random.mean()),
        "random_deviation": float(random.std(ddof=1)),
        "random_best": float(random.max()),
        "difference": difference,
        "standard_error": error,
        "standard_errors": difference / error,
    }


def show(reports: Mapping[str, list[dict[str, Any]]], told: Mapping[str, float]) -> None:
    """Print every network, and the comparison."""
    table = Table("network", "M MACs", "test top-1", "codes")
    for report in sorted(reports["found"] + reports["random"], key=lambda one: -one["top1"]):
        codes = "".join(map(str, report["codes"]))
        table.add_row(report["name"], f"{report['macs'] / 1e6:.2f}", f"{report['top1']:.2f}", codes)
    console = Console()
    console.print(table)
    reached = "[green]reached[/green]" if told["standard_errors"] >= TARGET else "[red]missed[/red]"
    console.print(
        f"found {told['found_mean']:.2f} +- {told['found_deviation']:.2f}, random {told['random_mean']:.2f} +- "
        f"{told['random_deviation']:.2f} (best {told['random_best']:.2f}): ahead by {told['difference']:.2f} points, "
        f"{told['standard_errors']:.1f} standard errors; target {TARGET:.0f}: {reached}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
