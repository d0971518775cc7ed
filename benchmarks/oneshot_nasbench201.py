"""Look up the cells that one-shot algorithms find on NAS-Bench-201.

    python benchmarks/oneshot_nasbench201.py --scale smoke -o runs/oneshot-nasbench201-smoke
    python benchmarks/oneshot_nasbench201.py --scale small --seeds 3 -o runs/nasbench201-small
    python benchmarks/oneshot_nasbench201.py --device gpu --precision bf16 -o runs/nasbench201

Each algorithm searches a narrow supernet of the space on CIFAR-10 images. The report has the true
accuracy of the cell that it returns (200 epochs of the whole network, mean of seeds), the
percentage of all 15625 cells that are worse, and both for random cells. With few updates the
published learning rates of the logits have no effect, so that the smaller scales have larger ones;
`--published` uses all published options but the epochs. The same command resumes after an
interruption, also with more algorithms or seeds.

Data: `packed_cifar.py` in this folder documents where the images are searched for; `--data` names
the folder of the benchmark's table.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from machine import comparison_options, prepare
from rich.console import Console
from rich.table import Table
from torch import nn

import tables
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.cells import derived, searchable, setting_space
from oneshot.algorithms.registry import algorithm as algorithm_class
from oneshot.algorithms.registry import make, preset
from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import Recipe
from spaces.architecture import Architecture
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.modules.affine import learn_affine
from spaces.registry import get
from spaces.space import SearchSpace

ALGORITHMS = (
    "darts",
    "darts-second-order",
    "pc-darts",
    "gdas",
    "snas",
    "fbnet",
    "enas",
    "fairnas",
)
METRIC = "cifar10_test_acc"

SHORT: dict[str, dict[str, Any]] = {
    "darts": {"arch_learning_rate": 0.02},
    "darts-second-order": {"arch_learning_rate": 0.02},
    "pc-darts": {"arch_learning_rate": 0.02, "arch_warmup": 0},
    "gdas": {"preset": "nasbench201", "arch_learning_rate": 0.05, "first_temperature": 5.0},
    "snas": {"arch_learning_rate": 0.02},
    "fbnet": {"arch_learning_rate": 0.05, "arch_warmup": 1, "arch_every": 1},
    "enas": {
        "controller_learning_rate": 0.02,
        "tanh_constant": 1.1,
        "final_samples": 50,
        "final_images": 2048,
    },
    "fairnas": {"population": 32, "generations": 2},
}
"""Options for a hundred updates."""

LONGER: dict[str, dict[str, Any]] = {
    "darts": {"arch_learning_rate": 0.005, "arch_warmup": 2},
    "darts-second-order": {"arch_learning_rate": 0.005, "arch_warmup": 2},
    "pc-darts": {"arch_learning_rate": 0.005, "arch_warmup": 2},
    "gdas": {"preset": "nasbench201", "arch_learning_rate": 0.02, "arch_warmup": 2},
    "snas": {"arch_learning_rate": 0.01, "arch_warmup": 2},
    "fbnet": {"arch_learning_rate": 0.02, "arch_warmup": 2, "arch_every": 1, "annealing": 0.7},
    "enas": SHORT["enas"],
    "fairnas": SHORT["fairnas"],
}
"""Options for a thousand updates: the weights have two epochs before the logits move."""


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Args:
        space: that is searched.
        images: most images of each part.
        validation: training images that are held out.
        epochs: of a search.
    """

    space: str
    images: int
    validation: int
    epochs: int


SCALES = {
    "smoke": Scale("nasbench201(cells=1, channels=4)", 2000, 800, 4),
    "small": Scale("nasbench201(cells=1, channels=8, input_size=16)", 8000, 4000, 8),
    "full": Scale("nasbench201", 50_000, 25_000, 50),
}

OPTIONS = {"smoke": SHORT, "small": LONGER, "full": {"gdas": {"preset": "nasbench201"}}}
"""Scale -> algorithm -> options other than the published ones."""


@click.command()
@click.option(
    "--scale",
    "size",
    type=click.Choice(tuple(SCALES)),
    default="full",
    show_default=True,
    help=(
        "smoke: some minutes of a core; small: a minute or two of a core for each search; full: for"
        " a GPU."
    ),
)
@click.option(
    "--algorithm", "names", type=click.Choice(ALGORITHMS), multiple=True, help="Default: all."
)
@click.option(
    "--published", is_flag=True, help="Keep the published options at the smaller scales too."
)
@click.option("--epochs", type=click.IntRange(min=1), default=None, help="Of a search.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Of the weights.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Searches of each algorithm.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The first one.")
@comparison_options
@click.option("--table", default=None, help="Of NAS-Bench-201, as `tables.benchmark` takes it.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(names: tuple[str, ...], size: str, data: str, output: Path, **options: Any) -> None:
    """Search NAS-Bench-201 by each algorithm, and look up the found cells."""
    execution = prepare(options)
    scale = replace(SCALES[size], epochs=options["epochs"] or SCALES[size].epochs)
    benchmark = tables.benchmark("nasbench201", options["table"])
    truth = benchmark.values(METRIC)
    space = get(scale.space)
    images = load_data(data, space.input_shape, limit=scale.images, validation=scale.validation)
    rate = options["learning_rate"]
    record = {"scale": asdict(scale), "published": options["published"], "learning_rate": rate}
    rows = told_before(output / "found.json", record)
    for name in names or ALGORITHMS:
        for seed in range(options["seed"], options["seed"] + options["seeds"]):
            if any((row["algorithm"], row["seed"]) == (name, seed) for row in rows):
                continue
            algorithm_options = OPTIONS["full" if options["published"] else size].get(name, {})
            folder = output / f"{name}-{seed}"
            result, _, seconds = searched(
                space, name, algorithm_options, images, scale.epochs, seed, folder, execution, rate
            )
            cell = get("nasbench201").architecture(dict(result.choices))
            rows.append(told(name, seed, cell, seconds, benchmark, truth))
            write_text(output / "found.json", json.dumps({**record, "rows": rows}, indent=1) + "\n")
    random_codes = get("nasbench201").sample(
        np.random.default_rng(options["seed"]), options["num_random"]
    )
    for number, architecture in enumerate(get("nasbench201").decode(random_codes)):
        rows.append(told("random", number, architecture, 0.0, benchmark, truth))
    show(rows, truth)


def told_before(path: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of earlier runs of the same kind; raises UsageError where those in the file are of
    another.
    """
    if not path.exists():
        return []
    result = json.loads(path.read_text())
    rows: list[dict[str, Any]] = result.pop("rows")
    if result != record:
        raise click.UsageError(f"{path} holds searches of another scale; choose another folder")
    return rows


def searched(
    space: SearchSpace,
    name: str,
    algorithm_options: dict[str, Any],
    data: ImageData,
    epochs: int,
    seed: int,
    folder: Path,
    execution: Execution,
    rate: float | None = None,
) -> tuple[Architecture, nn.Module, float]:
    """Run an algorithm and return the found architecture, the trained model and processor seconds.

    Batches have 64 images at most; the learning rate of the weights is `rate`, or the published one
    in proportion.
    """
    registered = name.removesuffix("-second-order")
    run_preset = preset(
        registered,
        {**algorithm_options, **({"preset": "second-order"} if registered != name else {})},
    )
    recipe = replace(run_preset.recipe, epochs=epochs)
    recipe = recipe if recipe.batch_size <= 64 else _with_batches_of_64(recipe)
    recipe = replace(recipe, learning_rate=rate or recipe.learning_rate)
    # As `oneshot train` does: a method may search in a network of its own.
    space = algorithm_class(registered).search_space(space, run_preset.options)
    supernet = space.supernet(data.num_classes, torch.Generator().manual_seed(seed))
    # As `oneshot train` does: the method decides on scale and shift.
    if algorithm_class(registered).affine_supernet:
        learn_affine(supernet)
    model = searchable(supernet)
    folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(
        model,
        recipe,
        data.validation,
        len(data.train),
        seed,
        setting_space(space),
        folder=folder,
    )
    algorithm = make(registered, setting, run_preset.options)
    began = time.process_time()
    with Bar(f"{name} {seed}") as bar:
        fit(algorithm, data.train, folder, seed=seed, execution=execution, progress=bar.update)
    seconds = time.process_time() - began
    result = derived(space, algorithm)
    algorithm.mutator.unbind()
    return result, model, seconds


def _with_batches_of_64(recipe: Recipe) -> Recipe:
    """A published recipe of larger batches, its learning rate in proportion: few images give too
    few of these.
    """
    return replace(
        recipe, batch_size=64, learning_rate=recipe.learning_rate * 64 / recipe.batch_size
    )


def told(
    name: str,
    seed: int,
    architecture: Architecture,
    seconds: float,
    benchmark: Any,
    truth: np.ndarray,
) -> dict[str, Any]:
    """The row of a cell."""
    accuracy = float(benchmark.query(architecture, METRIC))
    return {
        "algorithm": name,
        "seed": seed,
        "cell": [operation for _, operation in architecture.items],
        METRIC: accuracy,
        "better_than_percent": 100 * float((truth < accuracy).mean()),
        "cpu_seconds": round(seconds, 1),
    }


def show(rows: list[dict[str, Any]], truth: np.ndarray) -> None:
    """Print all cells, the means of each algorithm, and those of random cells."""
    table = Table("algorithm", "seed", "true top-1", "better than", "CPU s", "cell")
    for row in rows:
        cell = " ".join(operation.removeprefix("nor_") for operation in row["cell"])
        percentile = f"{row['better_than_percent']:.1f}%"
        table.add_row(
            row["algorithm"],
            str(row["seed"]),
            f"{row[METRIC]:.2f}",
            percentile,
            f"{row['cpu_seconds']:.0f}",
            cell,
        )
    means = Table("algorithm", "searches", "true top-1", "better than")
    for name in dict.fromkeys(row["algorithm"] for row in rows):
        algorithm_rows = [row for row in rows if row["algorithm"] == name]
        accuracies, shares = (
            np.array([row[key] for row in algorithm_rows])
            for key in (METRIC, "better_than_percent")
        )
        spread = (
            f" +- {accuracies.std(ddof=1) / np.sqrt(len(algorithm_rows)):.2f}"
            if len(algorithm_rows) > 1
            else ""
        )
        means.add_row(
            name,
            str(len(algorithm_rows)),
            f"{accuracies.mean():.2f}{spread}",
            f"{shares.mean():.1f}%",
        )
    console = Console()
    console.print(table)
    console.print(means)
    console.print(
        f"all cells of the benchmark: mean {truth.mean():.2f}, median {np.median(truth):.2f}, best"
        f" {truth.max():.2f}"
    )


if __name__ == "__main__":
    main()
