"""The command `python -m oneshot retrain`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import set_threads
from oneshot.commands.options.data import load_data
from oneshot.commands.options.recipe import AUGMENT, recipe
from oneshot.commands.options.runs import (
    begin_run,
    execution,
    recipe_options,
    resumable,
    run_settings,
)
from spaces.console.group import example
from spaces.console.options import with_options

if TYPE_CHECKING:
    import torch
    from torch import nn

    from oneshot.data.images import ImageData
    from oneshot.retraining.options import RetrainOptions
    from oneshot.retraining.published import Published
    from oneshot.run import Run
    from oneshot.run_settings import Initialisation
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

ARCHITECTURE = [
    click.option(
        "--arch",
        required=True,
        help="File with an architecture, search result, job or list; or a published network.",
    ),
    click.option(
        "--index",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Index of the architecture in a file of several.",
    ),
    click.option(
        "--space",
        "space_name",
        default=None,
        help=(
            "Space, where the format does not name it or another one is to be used.  [default: of"
            " the file; for the network of a search, the space that it searches for]"
        ),
    ),
    click.option(
        "--format",
        "format_name",
        default=None,
        help="Format of the file; see `python -m spaces formats`.  [default: detected]",
    ),
    click.option(
        "--init-from-supernet",
        "supernet",
        type=FOLDER,
        default=None,
        help="Folder of a supernet whose weights are the initial ones.",
    ),
    click.option(
        "--init",
        "backbone",
        type=FOLDER,
        default=None,
        help="Folder of a network, such as a classifier, whose first layers are the initial ones as"
        " far as both networks agree.",
    ),
    click.option(
        "--init-from",
        "smaller",
        type=FOLDER,
        default=None,
        help="Folder of a smaller network, which is widened and deepened without a change of its"
        " function (Net2Net).",
    ),
]

REGULARISATION = [
    *AUGMENT,
    click.option("--cutout", type=int, default=None, help="Side of a masked square in pixels."),
    click.option(
        "--mixup", type=float, default=None, help="Alpha of mixup.  [default: 0, no mixup]"
    ),
    click.option(
        "--ema",
        type=float,
        default=None,
        help="Decay of the weights' moving average.  [default: 0, no average]",
    ),
    click.option(
        "--drop-path",
        type=float,
        default=None,
        help="Largest probability that a path of a cell is dropped.  [default: 0]",
    ),
    click.option(
        "--auxiliary",
        type=float,
        default=None,
        help="Weight of the auxiliary classifier of DARTS.  [default: 0]",
    ),
    click.option(
        "--average-after",
        type=int,
        default=None,
        help="Epochs without a better validation score after which weights are averaged, as by"
        " AWD-LSTM (5).  [default: 0, no average]",
    ),
    click.option(
        "--norm-batches",
        type=int,
        default=None,
        help="Batches of the final pass for batch normalisation, 0 for none.  [default: 200]",
    ),
]


@click.command(
    epilog=example("""
        python -m oneshot retrain --arch result.json --data digits -o runs/network
        python -m oneshot retrain --arch result.json --init-from-supernet runs/supernet -o runs/net
        python -m oneshot retrain --arch larger.json --init-from runs/network -o runs/larger
        python -m oneshot retrain --arch darts-v2 --data cifar10 -o runs/darts
        """)
)
@with_options(*ARCHITECTURE, *REGULARISATION)
@recipe_options
def retrain(
    arch: str,
    index: int,
    space_name: str | None,
    format_name: str | None,
    supernet: Path | None,
    backbone: Path | None,
    smaller: Path | None,
    **options: Any,
) -> None:
    """Train an architecture's network and test it.

    The paper's recipe is the default where the data set is as large as that of the space's paper.
    """
    from oneshot.retraining.network_training import check, device_of, train_network
    from oneshot.retraining.published import published
    from oneshot.run import Run
    from oneshot.run_settings import NETWORK
    from oneshot.tasks.registry import DEFAULT, make_task
    from oneshot.training.recipe import Recipe
    from spaces.console.progress import Bar
    from spaces.formats.files import adopted
    from spaces.registry import get

    set_threads(options["threads"])
    architecture = _read_architecture(arch, index, space_name, format_name)
    space = get(architecture.space)
    # A task of another head is refused before the data set is read.
    make_task(options["task"] or DEFAULT, space, architecture)
    data = load_data(options, space.example_shape_of(architecture))
    space = space.for_vocabulary(data.num_classes)
    architecture = adopted(architecture, space)
    paper = published(space.name, len(data.train))
    weights_recipe = recipe(options, Recipe(**paper.recipe) if paper else None)
    preprocessing = None if data.preprocessing is None else data.preprocessing.to_dict()
    settings = replace(
        run_settings(NETWORK, space, weights_recipe, options, data),
        architecture=architecture,
        retraining=_regularisation(options, paper, len(data.train)),
        init=_initialisation(supernet, backbone, smaller),
        classes=data.classes,
        # By way of JSON, so that it equals what a resumed run reads.
        preprocessing=json.loads(json.dumps(preprocessing)),
    )

    # Wrong settings are refused before anything is written.
    copied = check(Run(options["output"], settings), data)
    _print_initial_weights(space, settings.init, backbone, copied)

    run = begin_run(settings, options)
    with resumable(), Bar(f"training {Path(arch).name}") as bar:
        network = train_network(run, bar.update, execution(options), data)

    click.echo(_tested(run, network, data, device_of(execution(options))))
    click.echo(
        f"wrote {run.weights}; export it with: python -m oneshot export {run.folder} -o"
        " network.onnx"
    )


def _read_architecture(
    arch: str, index: int, space_name: str | None, format_name: str | None
) -> Architecture:
    """Read an architecture; that of a search's network becomes one of the deployed network."""
    from oneshot.retraining.source import deployed, read_source

    architecture = read_source(arch, space=space_name, format=format_name, index=index)
    # A space that the user names is the one to train.
    if space_name is not None:
        return architecture

    searched = architecture.space
    architecture = deployed(architecture)
    if architecture.space != searched:
        click.echo(
            f"{searched} is the network of a search: training the network of"
            f" {architecture.space}; --space sets another one"
        )
    return architecture


def _print_initial_weights(
    space: SearchSpace, init: Initialisation | None, backbone: Path | None, copied: int
) -> None:
    if space.initial_weights and init is None:
        click.echo(f"initial weights: {space.initial_weights}")
    if backbone is not None:
        click.echo(f"initial weights: the first {copied} blocks of {backbone}")


def _tested(run: Run, network: nn.Module, data: ImageData, device: torch.device) -> str:
    """Write the report of the test, and the picture of its results, and return it in words."""
    from oneshot.retraining.report import in_words, report_on_test
    from oneshot.retraining.result_sheet import result_sheet
    from spaces.files import write_text

    task = run.task
    report = report_on_test(network, data, device, task, run.conditions)
    report["task"] = run.settings.task
    if task.has_pictures:
        result_sheet(network, data, task, run.folder / "test.png", device)
    write_text(run.folder / "test.json", json.dumps(report, indent=1) + "\n")

    return in_words(report, task)


def _regularisation(
    options: dict[str, Any], paper: Published | None, images: int
) -> RetrainOptions:
    """Return the regularisation of the options; the paper's replaces values that are not given."""
    from dataclasses import fields

    from oneshot.data.augmented import AUGMENTED_FROM
    from oneshot.retraining.options import RetrainOptions

    names = [field.name for field in fields(RetrainOptions)]
    values = dict(paper.options) if paper else {}

    # Averaged weights need statistics of their own, also where the paper's recipe has no pass.
    if options["ema"] and not values.get("norm_batches"):
        values.pop("norm_batches", None)
    values |= {name: options[name] for name in names if options[name] is not None}

    # These are augmentations, so that they imply the others.
    implying = any(values.get(name) for name in ("cutout", "colour_jitter", "mosaic"))
    is_augmented = images >= AUGMENTED_FROM or implying
    return RetrainOptions(**{"augment": bool(is_augmented), **values})


def _initialisation(
    supernet: Path | None, backbone: Path | None, smaller: Path | None
) -> Initialisation | None:
    """Return the run whose weights are the initial ones; None: they are random."""
    from oneshot.errors import InvalidOption, InvalidRun
    from oneshot.run import read_run
    from oneshot.run_settings import MORPHISM, NETWORK, SUPERNET, Initialisation

    folders = {SUPERNET: supernet, NETWORK: backbone, MORPHISM: smaller}
    sources = [(kind, folder) for kind, folder in folders.items() if folder is not None]
    if len(sources) > 1:
        raise InvalidOption("init, init-from and init-from-supernet exclude each other; give one")
    if not sources:
        return None

    ((kind, folder),) = sources
    run = read_run(folder, SUPERNET if kind == SUPERNET else NETWORK)
    if not run.weights.exists():
        raise InvalidRun(
            f"{folder}: the training is not complete; resume it by the same command with --resume"
        )
    return Initialisation(str(folder), run.weights_digest(), kind)
