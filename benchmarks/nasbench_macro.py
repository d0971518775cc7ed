"""Measure how well a supernet ranks the networks of NAS-Bench-Macro.

    python benchmarks/nasbench_macro.py --smoke -o runs/nasbench-macro-smoke
    python benchmarks/nasbench_macro.py --device gpu --precision bf16 -o runs/nasbench-macro

Train the supernet of the space on CIFAR-10, evaluate distinct networks by it (identities make
copies: 3969 of the 6561 are distinct) and print Kendall's tau between their cross-entropies and
their true accuracies, and for comparison that of MACs and of the number of layers that are no
identity. Copies differ in the supernet, where every layer has its own weights; a network's
cross-entropy is the mean over its copies.

Data: `packed_cifar.py` in this folder documents where the images are searched for;
`tables.benchmark("nasbench-macro")` finds the accuracies. Training and evaluation resume after an
interruption.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from machine import machine_options
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

import tables
from oneshot.algorithms.spos import PathAlgorithm
from oneshot.data.augmentation import Augmentation
from oneshot.data.images import ImageData
from oneshot.data.registry import load
from oneshot.evaluation.evaluator import Evaluator
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.samplers.fair import Fair
from oneshot.samplers.uniform import Uniform
from oneshot.training import Execution, fit
from oneshot.training.recipe import Recipe
from spaces.chains.chain import ChainSpace
from spaces.console.progress import Bar
from spaces.modules.supernet import Supernet
from spaces.plugins import load_file
from spaces.registry import get
from spaces.space import Codes
from tables.evaluation import Evaluation, Journal

SAMPLERS = {"uniform": Uniform, "fair": Fair}
STAGES = ((0, 2), (2, 5), (5, 8))
"""First and last layer of each stage; within one, only the first changes shapes."""

SMOKE = {
    "input_size": 16,
    "networks": 200,
    "steps": 2000,
    "batch_size": 64,
    "learning_rate": 0.05,
    "clip": 1.0,
    "warmup": 100,
    "images": 1000,
    "recalibration": 512,
}
FULL = {
    "input_size": 32,
    "networks": 3969,
    "steps": 60_000,
    "batch_size": 256,
    "learning_rate": 0.1,
    "clip": 5.0,
    "warmup": 1000,
    "images": 5000,
    "recalibration": 25_600,
}


def _sized(name: str, kind: Any, text: str) -> Any:
    """An option whose default depends on --smoke."""
    shown = f"{text}  [default: {FULL[name]}; smoke: {SMOKE[name]}]"
    return click.option(f"--{name.replace('_', '-')}", type=kind, default=None, help=shown)


@click.command()
@click.option("--smoke", is_flag=True, help="A setting for two processor cores and 20 minutes.")
@_sized("input_size", int, "Height and width of the images.")
@_sized("networks", click.IntRange(2, 3969), "How many distinct networks, drawn by the seed.")
@_sized("steps", int, "Updates of the training.")
@_sized("batch_size", int, "Images an update.")
@_sized("learning_rate", float, "Falls to 0 along a cosine.")
@_sized("clip", float, "Greatest norm of a gradient.")
@_sized("warmup", int, "Updates over which the learning rate rises.")
@_sized("images", int, "Validation images for each network.")
@_sized("recalibration", int, "Training images for the statistics of each network.")
@click.option("--sampler", type=click.Choice(list(SAMPLERS)), default="uniform", show_default=True)
@machine_options
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--data",
    default="packed-cifar10",
    show_default=True,
    help="packed-cifar10 or cifar10, or either:PATH.",
)
@click.option(
    "--accuracies",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="The benchmark's file.",
)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(
    smoke: bool,
    device: str,
    threads: int | None,
    data: str,
    accuracies: Path | None,
    output: Path,
    **options: Any,
) -> None:
    """Train, evaluate, and print a table of Kendall's tau."""
    run_settings = {
        **(SMOKE if smoke else FULL),
        **{name: value for name, value in options.items() if value is not None},
    }
    _same_settings(output / "settings.json", run_settings)
    if threads is not None:
        torch.set_num_threads(threads)
    space = get(f"nasbench-macro(input_size={run_settings['input_size']})")
    assert isinstance(space, ChainSpace)
    benchmark = tables.benchmark("nasbench-macro", accuracies)
    load_file(Path(__file__).with_name("packed_cifar.py"))
    images = load(data, space.input_shape, run_settings["seed"])
    supernet = _trained(space, images, run_settings, device, output)
    every = distinct(space)
    codes = every[
        np.random.default_rng(run_settings["seed"]).permutation(len(every))[
            : run_settings["networks"]
        ]
    ]
    equal = [copies(row) for row in codes.tolist()]
    losses = iter(_evaluated(supernet, images, np.concatenate(equal), run_settings, device, output))
    grouped = [[next(losses) for _ in rows] for rows in equal]
    truth = np.asarray(benchmark.query(benchmark.space.decode(codes), "cifar10_test_acc"))
    _report(codes, grouped, truth, space, output)


def distinct(space: ChainSpace) -> Codes:
    """One architecture [n, 8] for each network: identities, whose place makes no difference, stand
    last in a stage.
    """
    codes = np.concatenate(list(space.enumerate_codes()))
    mask = np.ones(len(codes), dtype=bool)
    for begin, end in STAGES:
        for layer in range(begin + 1, end - 1):
            mask &= (codes[:, layer] != 0) | (codes[:, layer + 1] == 0)
    return codes[mask]


def copies(row: Sequence[int]) -> Codes:
    """Every architecture [n, 8] of the network whose identities stand last in their stages; itself
    is the first.
    """
    stages = []
    for begin, end in STAGES:
        remaining = row[begin + 1 : end]
        others = [value for value in remaining if value]
        # Which of the places hold the others, whose order stays.
        stages.append(
            [
                [
                    row[begin],
                    *(
                        others[places.index(position)] if position in places else 0
                        for position in range(len(remaining))
                    ),
                ]
                for places in itertools.combinations(range(len(remaining)), len(others))
            ]
        )
    return np.array([list(itertools.chain(*parts)) for parts in itertools.product(*stages)])


def _same_settings(path: Path, run_settings: dict[str, Any]) -> None:
    """A folder holds one setting; the count of networks may grow."""
    from spaces.files import write_text

    training = {name: value for name, value in run_settings.items() if name != "networks"}
    if path.exists() and json.loads(path.read_text()) != training:
        raise click.UsageError(f"{path} has other settings; choose another folder")
    write_text(path, json.dumps(training, indent=1) + "\n")


def _trained(
    space: ChainSpace, data: ImageData, run_settings: dict[str, Any], device: str, output: Path
) -> Supernet:
    names = ("steps", "batch_size", "learning_rate", "clip", "warmup")
    recipe = Recipe(
        **{name: run_settings[name] for name in names}, schedule="cosine", label_smoothing=0.0
    )
    seed = run_settings["seed"]
    supernet = space.supernet(data.num_classes, torch.Generator().manual_seed(seed))
    algorithm = PathAlgorithm(supernet, recipe, SAMPLERS[run_settings["sampler"]](space, seed))
    augmentation = Augmentation(flip=0.5, padding=4 if run_settings["input_size"] == 32 else 0)
    execution = Execution(accelerator=device, precision=run_settings["precision"])
    with Bar("training the supernet") as bar:
        fit(
            algorithm,
            data.train,
            output,
            seed=seed,
            augment=augmentation,
            execution=execution,
            progress=bar.update,
        )
    return supernet


def _evaluated(
    supernet: Supernet,
    data: ImageData,
    codes: Codes,
    run_settings: dict[str, Any],
    device: str,
    output: Path,
) -> NDArray[np.float64]:
    """Cross-entropies [n]."""
    settings = EvaluationSettings(
        images=run_settings["images"],
        recalibration_batches=run_settings["recalibration"] // 128,
        recalibration_batch_size=128,
        precision=run_settings["precision"],
    )
    space = supernet.space
    journal = Journal(output / "evaluations.jsonl", space.name)
    evaluated = {evaluation.architecture: evaluation.metrics for evaluation in journal.done}
    architectures = space.decode(codes)
    remaining = np.array(
        [
            position
            for position, candidate in enumerate(architectures)
            if candidate not in evaluated
        ],
        dtype=int,
    )
    with Bar(f"evaluating {len(remaining)} architectures") as bar:
        if len(remaining):
            evaluator = Evaluator(supernet, data, settings, device=device)
            for count, (position, metrics) in enumerate(evaluator.stream(codes[remaining]), 1):
                evaluated[architectures[remaining[position]]] = metrics
                journal.append(
                    Evaluation(architectures[remaining[position]], metrics, {"kind": "supernet"})
                )
                bar.update(count / len(remaining), f"{count}/{len(remaining)}")
    return np.array([evaluated[candidate]["cross_entropy"] for candidate in architectures])


def _report(
    codes: Codes,
    grouped: list[list[float]],
    truth: NDArray[np.float64],
    space: ChainSpace,
    output: Path,
) -> None:
    rankings = {
        "supernet, mean cross-entropy": -np.array([np.mean(losses) for losses in grouped]),
        "the same, one architecture each": -np.array([losses[0] for losses in grouped]),
        "MACs": space.macs(codes).astype(float),
        "layers that are no identity": (codes > 0).sum(axis=1).astype(float),
    }
    parts = {
        "all": np.arange(len(codes)),
        "even": np.arange(0, len(codes), 2),
        "odd": np.arange(1, len(codes), 2),
    }
    table = Table("ranked by", *(f"{name} ({len(group)})" for name, group in parts.items()))
    taus = {
        name: {
            group: float(kendalltau(values[index], truth[index]).statistic)
            for group, index in parts.items()
        }
        for name, values in rankings.items()
    }
    for name, row in taus.items():
        table.add_row(name, *(f"{tau:.3f}" for tau in row.values()))
    Console().print(
        f"Kendall's tau to the true accuracies of {len(codes)} distinct networks", table
    )
    (output / "tau.json").write_text(
        json.dumps({"networks": len(codes), "tau": taus}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
