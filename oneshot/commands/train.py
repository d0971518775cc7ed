"""`python -m oneshot train`: train a supernet."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from oneshot.algorithms.registry import available
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
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from oneshot.training.recipe import Recipe
    from spaces.space import SearchSpace

ALGORITHMS = click.Choice(["spos", *available()])
SAMPLERS = click.Choice(["uniform", "fair", "uniform-flops", "uniform-latency"])


@click.command(
    epilog=example("""
        python -m oneshot train --space spos-tiny --data digits -o runs/supernet
        python -m oneshot train --space spos --data imagenet --devices 8 -o runs/spos
        python -m oneshot train --space proxylessnas-tiny --algorithm proxyless \\
            --constraint 'flops<=3e6' -o runs/found
        """)
)
@click.option("--space", "space_name", default="spos-tiny", show_default=True)
@click.option(
    "--algorithm",
    type=ALGORITHMS,
    default="spos",
    show_default=True,
    help="See docs/guides/algorithms.md.",
)
@click.option(
    "--option",
    "given",
    multiple=True,
    help="Of the algorithm: NAME=VALUE, such as binary_mode=two.",
)
@click.option(
    "--target",
    default=None,
    help="Cost that the algorithm trains for: flops, params, latency_ms@TABLE.",
)
@click.option(
    "--constraint",
    default=None,
    help="What the found network must meet, such as latency_ms<=12@TABLE.",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=MARGIN,
    show_default=True,
    help="Sigmas kept below it.",
)
@click.option(
    "--with-network",
    is_flag=True,
    help="Also write the found network, with its weights, to OUTPUT/network.",
)
@click.option(
    "--sampler",
    type=SAMPLERS,
    default="uniform",
    show_default=True,
    help="Of paths; see docs/guides/supernet.md.",
)
@click.option(
    "--bins",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="Of uniform-flops and -latency.",
)
@click.option(
    "--cost-range", type=float, nargs=2, default=None, help="Least and greatest cost of the bins."
)
@click.option("--table", default=None, help="Name or path of the table for uniform-latency.")
@click.option(
    "--augment/--no-augment",
    default=None,
    help="Vary images.  [default: from 10000 training images on]",
)
@click.option(
    "--colour-jitter",
    type=float,
    default=None,
    help="Of brightness, contrast, saturation.  [default: 0]",
)
@recipe_options
def train(space_name: str, algorithm: str, **options: Any) -> None:
    """Train the supernet of a space on single paths (SPOS), or weights and an architecture by
    another algorithm.

    Where an architecture is trained, on the validation part, OUTPUT ends with architecture.json,
    probabilities.json and, line by line, architectures.jsonl with those of every epoch.

    From 100000 training images on, the defaults of the space spos are the published ones: 150000
    updates of 1024 images, learning rate 0.5, colour jitter 0.4.
    """
    from oneshot.algorithms.epochs import Follower
    from oneshot.algorithms.spos import augmentation_settings, train_supernet
    from oneshot.run import Run, begin
    from spaces.console.progress import Bar
    from spaces.registry import get

    set_threads(options["threads"])
    space = get(space_name)
    data = load_data(options, space.input_shape)
    chosen, own = (_paths if algorithm == "spos" else _architecture)(
        algorithm, space, data, options
    )
    settings = replace(
        run_settings("supernet", space, chosen, options, data),
        algorithm=algorithm,
        augmentation=augmentation_settings(
            space.name, len(data.train), options["augment"], options["colour_jitter"]
        ),
        **own,
    )
    if algorithm != "spos":
        _check(Run(options["output"], settings), data)
    run = begin(options["output"], settings, options["resume"])
    follower = Follower(run.folder)
    with resumable(), Bar(f"training {space.name.partition('(')[0]}") as bar:

        def told(share: float, text: str) -> None:
            bar.update(share, text)
            for line in follower.fresh():
                bar.print(line)

        train_supernet(run, told, execution(options), data)
    if algorithm != "spos":
        _say_found(run)
    click.echo(f"wrote {run.weights}")


def _paths(
    algorithm: str, space: SearchSpace, data: ImageData, options: dict[str, Any]
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and the settings of a training on sampled paths."""
    from oneshot.errors import InvalidOption
    from oneshot.samplers.settings import SamplerSettings
    from oneshot.training.recipe import supernet_recipe

    for name in ("given", "target", "constraint", "with_network"):
        if options[name]:
            word = "option" if name == "given" else name.replace("_", "-")
            raise InvalidOption(
                f"--{word} is for algorithms that train an architecture, not for {algorithm}"
            )
    limits = tuple(options["cost_range"]) if options["cost_range"] else None
    sampler = SamplerSettings(options["sampler"], options["bins"], limits, options["table"])
    sampler.make(space, options["seed"])  # refused before anything is written
    return recipe(options, supernet_recipe(space.name, len(data.train))), {"sampler": sampler}


def _architecture(
    algorithm: str, space: SearchSpace, data: ImageData, options: dict[str, Any]
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and the settings of a training of weights and an architecture."""
    from dataclasses import asdict

    from oneshot.algorithms.registry import preset
    from oneshot.errors import InvalidOption
    from oneshot.run_settings import SearchSettings

    if options["sampler"] != "uniform" or options["cost_range"] or options["table"]:
        raise InvalidOption(
            f"--sampler, --cost-range and --table are for spos, not for {algorithm}"
        )
    found = preset(algorithm, dict(map(_name_and_value, options["given"])), len(data.train))
    search = SearchSettings(
        options=json.loads(json.dumps(asdict(found.options))),
        target=options["target"],
        constraint=options["constraint"],
        margin=options["margin"],
        with_network=options["with_network"],
    )
    return recipe(options, found.recipe), {"search": search}


def _name_and_value(text: str) -> tuple[str, Any]:
    from oneshot.errors import InvalidOption

    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InvalidOption(f"--option {text!r}: write NAME=VALUE, such as binary_mode=two")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _check(run: Run, data: ImageData) -> None:
    """Refuse what does not fit together before anything is written."""
    import torch

    from oneshot.algorithms.training import make_algorithm

    steps = len(data.train) // min(run.settings.recipe.batch_size, len(data.train))
    with torch.device("cpu"):
        supernet = run.build()
        algorithm = make_algorithm(run, supernet, data)  # type: ignore[arg-type]
        algorithm.optimizers(algorithm.recipe.updates(max(1, steps)))


def _say_found(run: Run) -> None:
    from oneshot.algorithms.training import ARCHITECTURE, NETWORK, REPORT

    report = json.loads((run.folder / REPORT).read_text(encoding="utf-8"))
    if report.get("predicted_cost") is not None:
        click.echo(f"predicted {report['metric']}: {report['predicted_cost']:.6g} {report['unit']}")
    path = run.folder / ARCHITECTURE
    click.echo(
        f"wrote {path}; train its network by: python -m oneshot retrain --arch {path} -o network"
    )
    if run.settings.search is not None and run.settings.search.with_network:
        click.echo(
            f"wrote {run.folder / NETWORK}; test it by: python -m oneshot test"
            f" {run.folder / NETWORK}"
        )
