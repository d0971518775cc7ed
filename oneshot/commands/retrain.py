"""`python -m oneshot retrain`: train a found network from scratch, or on from a supernet's
weights.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options import (
    execution,
    load_data,
    recipe,
    recipe_options,
    resumable,
    run_settings,
    set_threads,
)
from spaces.console.group import example

if TYPE_CHECKING:
    from oneshot.retraining.options import RetrainOptions
    from oneshot.retraining.published import Published
    from oneshot.run_settings import Initialisation

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

ARCHITECTURE = [
    click.option(
        "--arch",
        required=True,
        help="An architecture, search result, job or list; or a published network.",
    ),
    click.option(
        "--index",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Which one of several.",
    ),
    click.option(
        "--space",
        "space_name",
        default=None,
        help="Where the format does not say it, or to take another.",
    ),
    click.option(
        "--format",
        "format_name",
        default=None,
        help="Of the file; see `spaces formats`.  [default: detected]",
    ),
    click.option(
        "--init-from-supernet",
        "supernet",
        type=FOLDER,
        default=None,
        help="Begin with a supernet's weights.",
    ),
]

REGULARISATION = [
    click.option(
        "--augment/--no-augment",
        default=None,
        help="Vary images.  [default: from 10000 training images on]",
    ),
    click.option(
        "--colour-jitter",
        type=float,
        default=None,
        help="Of brightness, contrast, saturation: 0 to 1.",
    ),
    click.option("--cutout", type=int, default=None, help="Side of a blanked square in pixels."),
    click.option("--mixup", type=float, default=None, help="Alpha of mixup.  [default: 0, none]"),
    click.option(
        "--ema",
        type=float,
        default=None,
        help="Deliver a moving average of this decay.  [default: 0, none]",
    ),
    click.option(
        "--drop-path",
        type=float,
        default=None,
        help="Greatest chance, of cells.  [default: 0, none]",
    ),
    click.option(
        "--auxiliary",
        type=float,
        default=None,
        help="Weight of DARTS's second classifier.  [default: 0]",
    ),
    click.option(
        "--norm-batches", type=int, default=None, help="Of the last pass.  [default: 200]"
    ),
]


def _options(command: Any) -> Any:
    command = recipe_options(command)
    for option in reversed([*ARCHITECTURE, *REGULARISATION]):
        command = option(command)
    return command


@click.command(
    epilog=example("""
        python -m oneshot retrain --arch result.json --data digits -o runs/network
        python -m oneshot retrain --arch result.json --init-from-supernet runs/supernet -o runs/net
        python -m oneshot retrain --arch darts-v2 --data cifar10 -o runs/darts
        """)
)
@_options
def retrain(
    arch: str,
    index: int,
    space_name: str | None,
    format_name: str | None,
    supernet: Path | None,
    **options: Any,
) -> None:
    """Train an architecture's network and test it.

    Where the data set is as large as the one of the space's paper, the paper's recipe is the
    default.
    """
    from oneshot.retraining.network_training import check, device_of, train_network
    from oneshot.retraining.published import published
    from oneshot.retraining.report import in_words, report_on_test
    from oneshot.retraining.source import read_source
    from oneshot.run import Run, begin
    from oneshot.run_settings import NETWORK
    from oneshot.training.recipe import Recipe
    from spaces.console.progress import Bar
    from spaces.files import write_text
    from spaces.registry import get

    set_threads(options["threads"])
    architecture = read_source(arch, space=space_name, format=format_name, index=index)
    space = get(architecture.space)
    data = load_data(options, space.input_shape_of(architecture))
    paper = published(space.name, len(data.train))
    chosen = recipe(options, Recipe(**paper.recipe) if paper else None)
    preprocessing = None if data.preprocessing is None else data.preprocessing.to_dict()
    settings = replace(
        run_settings(NETWORK, space, chosen, options, data),
        architecture=architecture,
        retraining=_regularisation(options, paper, len(data.train)),
        init=None if supernet is None else _initialisation(supernet),
        classes=data.classes,
        # By way of JSON, so that it equals what a resumed run reads.
        preprocessing=json.loads(json.dumps(preprocessing)),
    )
    check(Run(options["output"], settings), data)  # refused before anything is written
    run = begin(options["output"], settings, options["resume"])
    with resumable(), Bar(f"training {Path(arch).name}") as bar:
        network = train_network(run, bar.update, execution(options), data)
    report = report_on_test(network, data, device_of(execution(options)))
    write_text(run.folder / "test.json", json.dumps(report, indent=1) + "\n")
    click.echo(in_words(report))
    click.echo(
        f"wrote {run.weights}; export it with: python -m oneshot export {run.folder} -o"
        " network.onnx"
    )


def _regularisation(
    options: dict[str, Any], paper: Published | None, images: int
) -> RetrainOptions:
    """What the options give, from the paper's where they are silent."""
    from dataclasses import fields

    from oneshot.data.augmented import AUGMENTED_FROM
    from oneshot.retraining.options import RetrainOptions

    names = [field.name for field in fields(RetrainOptions)]
    given = {name: options[name] for name in names if options[name] is not None}
    chosen = {**(paper.options if paper else {}), **given}
    wanted = images >= AUGMENTED_FROM or chosen.get("cutout") or chosen.get("colour_jitter")
    return RetrainOptions(**{"augment": bool(wanted), **chosen})


def _initialisation(supernet: Path) -> Initialisation:
    from oneshot.errors import InvalidRun
    from oneshot.run import read_run
    from oneshot.run_settings import Initialisation

    run = read_run(supernet, "supernet")
    if not run.weights.exists():
        raise InvalidRun(
            f"{supernet}: the training is not done; go on with the same command and --resume"
        )
    return Initialisation(str(supernet), run.weights_digest())
