"""`python -m oneshot`: supernets, search, retraining, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spaces.console import Group, example, typed

if TYPE_CHECKING:
    from oneshot.guide import Guide
    from oneshot.recipe import Recipe
    from spaces.space import SearchSpace

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
SEED = click.IntRange(0, 2**32 - 1)  # torch's seeds of steps are made of it, and have 64 bits


@click.group(cls=Group)
def main() -> None:
    """Train a supernet, evaluate and search it, retrain and export what was found."""


def recipe_options(command: Any) -> Any:
    """The options of a recipe and of the data, shared by `train` and `retrain`."""
    for option in reversed(
        [
            click.option("--data", default="digits", show_default=True, help="The data set."),
            click.option("--epochs", type=int, default=60, show_default=True),
            click.option("--batch-size", type=int, default=64, show_default=True),
            click.option("--learning-rate", type=float, default=0.1, show_default=True, help="Falls linearly to 0."),
            click.option("--weight-decay", type=float, default=4e-5, show_default=True),
            click.option("--label-smoothing", type=float, default=0.1, show_default=True),
            click.option("--seed", type=SEED, default=0, show_default=True),
            click.option("--threads", type=click.IntRange(min=1), default=None, help="Torch threads."),
            click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same settings."),
            click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True),
        ]
    ):
        command = option(command)
    return command


@main.command(epilog=example("python -m oneshot train --space spos-tiny --data digits -o runs/supernet"))
@click.option("--space", "space_name", default="spos-tiny", show_default=True)
@click.option("--algorithm", type=click.Choice(["spos"]), default="spos", show_default=True)
@recipe_options
def train(space_name: str, algorithm: str, **options: Any) -> None:
    """Train the supernet of a space on uniform single paths (SPOS)."""
    from oneshot.run import begin, train_supernet
    from spaces.progress import Bar
    from spaces.registry import get

    space = get(space_name)
    settings = _settings("supernet", space, _recipe(options), options)
    run = begin(options["output"], {**settings, "algorithm": algorithm}, options["resume"])
    _set_threads(options["threads"])
    with Bar(f"training the supernet of {space.name}") as bar:
        train_supernet(run, bar.update)
    click.echo(f"wrote {run.weights}")


@main.command(epilog=example("python -m oneshot evaluate runs/supernet -n 200 -o evaluations.jsonl"))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-n", "count", type=click.IntRange(min=1), default=200, show_default=True, help="How many architectures.")
@click.option("--archs", type=FILE, default=None, help="Evaluate these (JSON lines) and not a uniform sample.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the sample.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Torch threads.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def evaluate(folder: Path, count: int, archs: Path | None, seed: int, threads: int | None, output: Path) -> None:
    """Evaluate sub-networks of a supernet on its validation split, as JSON lines; goes on where it was stopped."""
    import numpy as np

    from oneshot.errors import InvalidRun
    from oneshot.evaluator import Evaluator
    from oneshot.problem import distinct
    from oneshot.run import read_run
    from spaces.architecture import Architecture
    from spaces.modules.supernet import Supernet
    from spaces.progress import Bar
    from tables.evaluation import Evaluation, Journal

    _set_threads(threads)
    run = read_run(folder, "supernet")
    space, data, supernet = run.space, run.data(), run.load()
    assert isinstance(supernet, Supernet)
    if archs is not None:
        codes = space.encode(Architecture.read_many(archs, space))
    else:
        codes = distinct(space.sample(np.random.default_rng(seed), 2 * count))[:count]
    journal = Journal(output, space.name)
    done = {evaluation.architecture for evaluation in journal.done}
    evaluator = Evaluator(supernet, data)
    source: dict[str, Any] = {
        "kind": "supernet",
        "run": str(folder),
        "weights": run.weights_digest(),
        "data": data.name,
        "images": len(data.validation),
    }
    if any(dict(evaluation.source) != source for evaluation in journal.done):
        raise InvalidRun(f"{output} holds evaluations of another supernet or data set; choose another file")
    with Bar(f"evaluating on {len(data.validation)} validation images of {data.name}") as bar:
        for index, (row, architecture) in enumerate(zip(codes, space.decode(codes), strict=True)):
            if architecture not in done:
                journal.append(Evaluation(architecture, evaluator.evaluate(row), source))
            bar.update((index + 1) / len(codes), f"{index + 1}/{len(codes)}")
    click.echo(f"wrote {output}: {len(journal.done)} evaluations")


@main.command(
    epilog=example("python -m oneshot search --space spos --guide predictor:FILE --constraint 'latency_ms<=12@TABLE'")
)
@click.option("--space", "space_name", required=True)
@click.option("--guide", "guide_text", required=True, help="predictor:FILE or supernet:FOLDER")
@click.option("--constraint", "constraints", multiple=True, help="latency_ms<=12@TABLE, flops<=330e6; may be repeated.")
@click.option("--strategy", default="evolution", show_default=True, help="evolution (alias spos), random")
@click.option("--option", "options", multiple=True, help="An option of the strategy: generations=10; may be repeated.")
@click.option("--margin", type=click.FloatRange(min=0), default=1.64, show_default=True, help="Deviations kept free.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="Best architectures to list.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def search(
    space_name: str,
    guide_text: str,
    constraints: tuple[str, ...],
    strategy: str,
    options: tuple[str, ...],
    margin: float,
    count: int,
    seed: int,
    output: Path,
) -> None:
    """Search a space for the best networks that meet constraints."""
    from oneshot.constraint import Limit
    from oneshot.problem import SearchProblem
    from oneshot.search_loop import search as run_search
    from oneshot.strategies.base import check_options
    from spaces.progress import Bar
    from spaces.registry import get
    from tables.store import load

    space = get(space_name)
    given = dict(map(_option, options))
    check_options(strategy, given)
    bound = [Limit.parse(text).bind(space, load, margin) for text in constraints]
    problem = SearchProblem(space, _guide(guide_text, space), bound)
    with Bar(f"searching {space.name}") as bar:
        result = run_search(
            problem,
            strategy,
            options=given,
            seed=seed,
            progress=lambda done, planned, best: bar.update(done / planned, f"{done}/{planned}, best {best:.4g}"),
        )
    result.save(output, count)
    click.echo(result.summary())
    click.echo(f"wrote {output}")


@main.command(epilog=example("python -m oneshot retrain --arch result.json --data digits -o runs/network"))
@click.option("--arch", type=FILE, required=True, help="An architecture, or a search result (its best is taken).")
@recipe_options
def retrain(arch: Path, **options: Any) -> None:
    """Train an architecture's network from scratch and test it."""
    from oneshot.evaluator import quality
    from oneshot.interval import wilson
    from oneshot.result import read_architecture
    from oneshot.run import begin, train_network
    from spaces.files import write_text
    from spaces.progress import Bar
    from spaces.registry import get

    architecture = read_architecture(arch)
    space = get(architecture.space)
    settings = _settings("network", space, _recipe(options), options)
    run = begin(options["output"], {**settings, "architecture": architecture.to_dict()}, options["resume"])
    _set_threads(options["threads"])
    with Bar(f"training {arch.name}") as bar:
        network = train_network(run, bar.update)
    data = run.data()
    found = quality(network, data.test)
    low, high = wilson(found["top1"], len(data.test))
    report = {**found, "top1_interval": [low, high], "images": len(data.test), "data": data.name, "split": "test"}
    write_text(run.folder / "test.json", json.dumps(report, indent=1) + "\n")
    click.echo(f"test top-1 {found['top1']:.2f} (95%: {low:.2f} to {high:.2f}) on {len(data.test)} images")
    click.echo(f"wrote {run.weights}; export it with: python -m oneshot export {run.folder} -o network.onnx")


@main.command(epilog=example("python -m oneshot export runs/network -o network.onnx"))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def export(folder: Path, output: Path) -> None:
    """Export a retrained network to ONNX and check it against torch."""
    from oneshot.export import OPSET
    from oneshot.export import export as export_run
    from oneshot.run import read_run

    found = export_run(read_run(folder, "network"), output)
    click.echo(f"wrote {found.path} (opset {OPSET}, dynamic batch); differs from torch by {found.difference:.1g}")


def _recipe(options: dict[str, Any]) -> Recipe:
    from oneshot.recipe import Recipe

    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing")
    return Recipe(**{name: options[name] for name in names})


def _settings(kind: str, space: SearchSpace, recipe: Recipe, options: dict[str, Any]) -> dict[str, Any]:
    from oneshot.data.registry import load
    from spaces import __version__

    data = load(options["data"], space.input_shape)
    return {
        "kind": kind,
        "space": space.name,
        "data": {"name": data.name, "split_seed": data.split_seed, "num_classes": data.num_classes},
        "recipe": recipe.to_dict(),
        "seed": options["seed"],
        "version": __version__,
        "command": typed(),
    }


def _guide(text: str, space: SearchSpace) -> Guide:
    from oneshot.errors import InvalidOption
    from oneshot.guide import PredictorGuide, SupernetGuide
    from oneshot.run import read_run

    kind, _, name = text.partition(":")
    guide: Guide
    if kind == "predictor" and name:
        import predictor

        found = predictor.load(name)
        guide, other = PredictorGuide(found, name), found.space
    elif kind == "supernet" and name:
        run = read_run(name, "supernet")
        guide, other = SupernetGuide.of_run(run), run.space
    else:
        raise InvalidOption(f"--guide {text!r}: a guide is predictor:FILE or supernet:FOLDER")
    if other != space:
        raise InvalidOption(f"--guide {text!r} is one for {other.name}, not for {space.name}")
    return guide


def _option(text: str) -> tuple[str, Any]:
    from oneshot.errors import InvalidOption

    key, separator, value = text.partition("=")
    try:
        if not separator:
            raise ValueError
        return key, json.loads(value)
    except ValueError as error:
        raise InvalidOption(f"--option {text!r}: write NAME=NUMBER, such as generations=10") from error


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
