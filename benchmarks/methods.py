"""Compare the results of methods with random networks, each in a small setting of its own.

    python benchmarks/methods.py --scale smoke -o runs/methods-smoke
    python benchmarks/methods.py --only pc-darts --seeds 3 -o runs/methods

A method searches, and its results are scored next to random networks of the same space: by a
benchmark's table where there is one, and otherwise by training both in the same way from new
weights. `NAME.json` in the folder has a row for each network; the same command resumes after an
interruption. These are small settings for minutes of a processor core: they show that a method
works, and not how good it is at its published setting.

Data: `packed_cifar.py` in this folder documents where the images are searched for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from machine import comparison_options, prepare
from method_rows import TRAINING, Row, Work, trained
from oneshot_family import Scale, retrained
from oneshot_nasbench201 import METRIC, OPTIONS, searched
from rich.console import Console
from rich.table import Table
from sized_model import Sized

import spaces
import tables
from oneshot.algorithms.training import train_supernet
from oneshot.data.images import ImageData
from oneshot.data.registry import load as load_data
from oneshot.evaluation.evaluator import Evaluator
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.run import Run, begin, read_run
from oneshot.run_settings import MORPHISM, Initialisation, RunSettings
from spaces.architecture import Architecture
from spaces.files import write_text
from spaces.registry import get, register_space
from spaces.space import SearchSpace

CELLS = {
    "smoke": "nasbench201(cells=1, channels=4, input_size=16)",
    "small": "nasbench201(cells=1, channels=8, input_size=16)",
}

NETWORKS = {
    "smoke": "darts(channels=4, layers=3, stem_multiplier=1, input_size=16)",
    "small": "darts(channels=8, layers=4, stem_multiplier=1, input_size=16)",
}

CARS = {"population": 24, "warmup": 1, "every": 1, "images": 1000}
"""Options of CARS for some hundred updates."""


def cells_of(name: str, work: Work) -> list[Row]:
    """Look up the cells of NAS-Bench-201 that an algorithm finds."""
    space = get(CELLS[work.scale])
    images = work.images(space)
    benchmark = tables.benchmark("nasbench201")
    rows = []
    for seed in range(work.seeds):
        options = CARS if name == "cars" else OPTIONS[work.scale][name]
        folder = work.folder / f"{name}-{seed}"
        architecture, _, seconds = searched(
            space, name, options, images, work.epochs, seed, folder, work.execution
        )
        cell = get("nasbench201").architecture(dict(architecture.choices))
        score = float(benchmark.query(cell, METRIC))
        rows.append(Row(name, seed, score, cpu_seconds=seconds))
    return rows


def pc_darts(work: Work) -> list[Row]:
    """PC-DARTS on NAS-Bench-201, next to DARTS: the accuracies of the benchmark's table."""
    return [*cells_of("pc-darts", work), *cells_of("darts", work), *random_cells(work)]


def cars(work: Work) -> list[Row]:
    """CARS on NAS-Bench-201: the accuracies of its best cells in the benchmark's table."""
    return [*cells_of("cars", work), *random_cells(work)]


def random_cells(work: Work) -> list[Row]:
    """Look up random cells of NAS-Bench-201."""
    benchmark = tables.benchmark("nasbench201")
    space = get("nasbench201")
    codes = space.sample(np.random.default_rng(0), work.num_random)
    return [
        Row("random", number, float(benchmark.query(cell, METRIC)))
        for number, cell in enumerate(space.decode(codes))
    ]


def pc_darts_cells(work: Work) -> list[Row]:
    """PC-DARTS on small networks of DARTS' cells, which are trained next to random ones."""
    space = get(NETWORKS[work.scale])
    images = work.images(space)
    options = OPTIONS[work.scale]["pc-darts"]
    results = []
    for seed in range(work.seeds):
        folder = work.folder / f"search-{seed}"
        result, _, seconds = searched(
            space, "pc-darts", options, images, work.epochs, seed, folder, work.execution
        )
        results.append((seed, result, seconds))
    return trained(space, "pc-darts-cells", results, images, work)


@register_space("benchmark-sizes")
def sized(name: str) -> SearchSpace:
    """The space of a model whose widths are derived from others."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return spaces.from_model(Sized(), torch.zeros(1, 3, 16, 16), name=name)


RANKED = {
    "derived-sizes": "benchmark-sizes",
    "ensemble": "ensemble(members=2, space='nasbench201(cells=1, channels=4, input_size=16)')",
    "nds-resnet": "nds-resnet(depths=(1, 2), input_size=16, stem_channels=8, widths=(8, 16, 24))",
    "nasbench1shot1": "nasbench1shot1(input_size=16, modules=1, stem_channels=8)",
}
"""Method -> space whose networks a supernet ranks."""

MOST_RANKED = 300
"""Networks of a space that its supernet ranks at most."""


def derived_sizes(work: Work) -> list[Row]:
    """Widths derived from others: a supernet ranks them under the median of the MACs."""
    return ranked("derived-sizes", work)


def ensembles(work: Work) -> list[Row]:
    """Ensembles of two small networks of NAS-Bench-201: a supernet of both members ranks them."""
    return ranked("ensemble", work)


def nds_resnets(work: Work) -> list[Row]:
    """Small residual networks of NDS: a supernet of shared channels ranks depths and widths."""
    return ranked("nds-resnet", work)


def one_shot_cells(work: Work) -> list[Row]:
    """Cells of NAS-Bench-1Shot1's first sub-space: a supernet of small networks ranks them."""
    return ranked("nasbench1shot1", work)


def ranked(name: str, work: Work) -> list[Row]:
    """Train the networks that supernets rank first, and random ones, under the median of MACs."""
    space = get(RANKED[name])
    images = work.images(space)
    if space.size <= MOST_RANKED:
        codes = np.concatenate(list(space.enumerate_codes()))
    else:
        codes = space.sample(np.random.default_rng(1), MOST_RANKED)
    macs = space.macs(codes)
    limit = np.median(macs)
    # Networks that use most of the limit, so that none is better by its size alone.
    allowed = codes[(macs <= limit) & (macs >= 0.75 * limit)]

    results = [
        (seed, *ranked_first(space, allowed, images, seed, work)) for seed in range(work.seeds)
    ]
    random = allowed[np.random.default_rng(0).permutation(len(allowed))[: work.num_random]]
    return trained(space, name, results, images, work, space.decode(random))


def ranked_first(
    space: SearchSpace, codes: Any, images: ImageData, seed: int, work: Work
) -> tuple[Architecture, float]:
    """Train a supernet on single paths; return its best of `codes` and the processor seconds."""
    began = time.process_time()
    recipe = replace(TRAINING, epochs=work.epochs)
    run_settings = RunSettings(
        "supernet",
        space.name,
        images.record(),
        seed,
        recipe,
        work.execution,
        spaces.__version__,
        algorithm="spos",
    )
    run = begin(work.folder / f"supernet-{seed}", run_settings, resume=True)
    supernet = train_supernet(run, data=images, execution=work.execution)
    settings = EvaluationSettings(images=2000, recalibration_batches=8, seed=seed)
    reports = Evaluator(supernet, images, settings).evaluate_many(codes)
    scores = [report["top1"] for report in reports]
    best = space.architecture(codes[int(np.argmax(scores))])
    return best, time.process_time() - began


def morphism(work: Work) -> list[Row]:
    """Net2Net on digits: a grown network after half of the updates of one from new weights."""
    space = get("proxylessnas-tiny(input_size=16)")
    images = load_data("digits", space.input_shape)
    steps = 40 if work.scale == "smoke" else 120
    small, large = (
        space.architecture(
            {
                choice.key: name if name in choice.candidates else choice.candidates[-1]
                for choice in space.choices
            }
        )
        for name in ("k3e3", "k5e6")
    )

    rows = []
    for seed in range(work.seeds):
        smaller: Run | None = None
        for name, architecture, updates, grows in (
            ("small", small, steps, False),
            ("scratch", large, steps, False),
            ("scratch-half", large, steps // 2, False),
            ("morphism", large, steps // 2, True),
        ):
            # Half of the rate, because a trained network would be lost at the full one.
            recipe = replace(TRAINING, steps=updates, learning_rate=0.05 if grows else 0.1)
            scale = Scale(space.name, "", 0, 0, 0, recipe, augment=False)
            label = f"{name}-{seed}"
            init = None
            if grows and smaller is not None:
                init = Initialisation(str(smaller.folder), smaller.weights_digest(), MORPHISM)

            began = time.process_time()
            report = retrained(
                scale, architecture, label, seed, images, work.execution, work.folder, init
            )
            seconds = time.process_time() - began
            rows.append(Row(name, seed, float(report["top1"]), int(report["macs"]), seconds))
            if name == "small":
                smaller = read_run(work.folder / f"network-{label}")
    return rows


METHODS: dict[str, Callable[[Work], list[Row]]] = {
    "pc-darts": pc_darts,
    "pc-darts-cells": pc_darts_cells,
    "derived-sizes": derived_sizes,
    "ensemble": ensembles,
    "nds-resnet": nds_resnets,
    "nasbench1shot1": one_shot_cells,
    "cars": cars,
    "morphism": morphism,
}
"""Name -> function that searches and scores."""


@click.command()
@click.option(
    "--only", "names", type=click.Choice(tuple(METHODS)), multiple=True, help="Default: all."
)
@click.option(
    "--scale",
    type=click.Choice(["smoke", "small"]),
    default="small",
    show_default=True,
    help="smoke: a minute of a core for a method; small: some minutes.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Of each search."
)
@comparison_options
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    names: tuple[str, ...],
    scale: str,
    seeds: int,
    num_random: int,
    data: str,
    output: Path,
    **options: Any,
) -> None:
    """Compare the results of methods with random networks."""
    execution = prepare(options)
    for name in names or METHODS:
        path = output / f"{name}.json"
        if path.exists():
            rows = [Row(**row) for row in json.loads(path.read_text())]
        else:
            rows = METHODS[name](Work(scale, seeds, num_random, data, execution, output / name))
            write_text(path, json.dumps([asdict(row) for row in rows], indent=1) + "\n")
        show(name, rows)


def show(name: str, rows: list[Row]) -> None:
    """Print the mean, the least and the greatest score of each kind of network."""
    summary = (METHODS[name].__doc__ or "").strip()
    table = Table("networks", "count", "top-1", "least", "greatest", "CPU s each", title=summary)
    for kind in dict.fromkeys(row.name for row in rows):
        scores = np.array([row.score for row in rows if row.name == kind])
        seconds = np.mean([row.cpu_seconds for row in rows if row.name == kind])
        mean = f"{scores.mean():.2f}"
        # One score says nothing about its error.
        if len(scores) > 1:
            mean += f" +- {scores.std(ddof=1) / np.sqrt(len(scores)):.2f}"
        table.add_row(
            kind,
            str(len(scores)),
            mean,
            f"{scores.min():.2f}",
            f"{scores.max():.2f}",
            f"{seconds:.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
