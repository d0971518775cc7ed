"""The command `python -m oneshot train`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from oneshot.algorithms.registry import available
from oneshot.commands.options.base import (
    MARGIN_OPTION,
    name_and_value,
    set_threads,
)
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
    from oneshot.algorithms.preset import Preset
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from oneshot.run_settings import RunSettings, SearchSettings
    from oneshot.samplers.settings import SamplerSettings
    from spaces.space import SearchSpace

ALGORITHMS = click.Choice(available())
SAMPLERS = click.Choice(["uniform", "fair", "uniform-flops", "uniform-latency"])


@click.command(
    epilog=example("""
        python -m oneshot train --space spos-tiny --data digits -o runs/supernet
        python -m oneshot train --space spos --data imagenet --devices 8 -o runs/spos
        python -m oneshot train --space proxylessnas-tiny --algorithm proxyless \\
            --constraint 'flops<=3e6' -o runs/found
        """)
)
@click.option(
    "--space",
    "space_name",
    default="spos-tiny",
    show_default=True,
    help="Space of the supernet.",
)
@click.option(
    "--algorithm",
    "name",
    type=ALGORITHMS,
    default="spos",
    show_default=True,
    help="Algorithm; see docs/guides/algorithms.md.",
)
@click.option(
    "--option",
    multiple=True,
    help="Option of the algorithm, such as binary_mode=two, or its schedule as JSON, such as"
    ' \'temperature={"start": 5, "multiply": 0.956}\'; may be repeated.',
)
@click.option(
    "--target",
    default=None,
    help="Cost that the algorithm trains for: flops, params, latency_ms@TABLE.",
)
@click.option(
    "--charge",
    default=None,
    help="Cost that the architecture's loss is multiplied by, (cost / budget)^exponent, such as"
    " macs=2e8^0.07 or latency_ms=12^0.07@TABLE; of proxyless.",
)
@click.option(
    "--constraint",
    default=None,
    help="Limit that the final network must meet, such as latency_ms<=12@TABLE.",
)
@MARGIN_OPTION
@click.option(
    "--with-network",
    is_flag=True,
    help="Also write the final network, with its weights, to OUTPUT/network.",
)
@click.option(
    "--sampler",
    type=SAMPLERS,
    default="uniform",
    show_default=True,
    help="Distribution of paths; see docs/guides/supernet.md.",
)
@click.option(
    "--bins",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="Number of bins of uniform-flops and uniform-latency.",
)
@click.option(
    "--cost-range", type=float, nargs=2, default=None, help="Smallest and largest cost of the bins."
)
@click.option("--table", default=None, help="Name or path of the table of uniform-latency.")
@with_options(*AUGMENT)
@recipe_options
def train(space_name: str, name: str, **options: Any) -> None:
    """Train the supernet of a space on single paths (SPOS) or by another algorithm.

    An algorithm that also trains an architecture, on the validation part, writes
    architecture.json, probabilities.json and architectures.jsonl, with a line per epoch, to OUTPUT.

    From 100000 training images on, the defaults of the space spos are the published ones: 150000
    updates of 1024 images, learning rate 0.5, colour jitter 0.4.
    """
    from oneshot.algorithms.epochs import Follower
    from oneshot.algorithms.registry import algorithm, preset
    from oneshot.algorithms.training import train_supernet
    from oneshot.run import Run
    from oneshot.tasks.registry import DEFAULT, make_task
    from spaces.console.progress import Bar
    from spaces.registry import get

    set_threads(options["threads"])
    algorithm_class = algorithm(name)
    requested = get(space_name)
    task = make_task(options["task"] or DEFAULT, requested)
    _refuse_foreign_options(name, algorithm_class.searches_architecture, options)
    algorithm_options = dict(name_and_value(text, "binary_mode=two") for text in options["option"])
    algorithm_options |= _charge(name, options)

    base = preset(name, algorithm_options)
    space = algorithm_class.search_space(requested, base.options)
    held_out = base.held_out
    resumed = _recorded(options)
    if resumed is not None and resumed.space == requested.name:
        # Recorded before methods had search networks and divisions of the data of their own.
        space = requested
        held_out = resumed.data.get("validation")
    if options["validation"] is None:
        options["validation"] = held_out

    data = load_data(options, space.input_shape)
    task.check(data)
    space = space.for_vocabulary(data.num_classes)

    settings = _settings(name, algorithm_options, space, options, data)
    _check(Run(options["output"], settings), data)
    _note_missing_margin(Run(options["output"], settings))
    if space.initial_weights:
        click.echo(f"initial weights: {space.initial_weights}")

    run = begin_run(settings, options)
    follower = Follower(run.folder)
    with resumable(), Bar(f"training {space.name.partition('(')[0]}") as bar:

        def report(fraction: float, state: str) -> None:
            bar.update(fraction, state)
            for line in follower.new_lines():
                bar.print(line)

        train_supernet(run, report, execution(options), data)
    if settings.search is not None:
        _print_architecture(run, settings.search.with_network)
    click.echo(f"wrote {run.weights}")


def _settings(
    name: str,
    algorithm_options: dict[str, Any],
    space: SearchSpace,
    options: dict[str, Any],
    data: ImageData,
) -> RunSettings:
    """Return the settings of the run.

    Args:
        name: Name of the algorithm.
        algorithm_options: Options of the algorithm.
        space: Space of the supernet.
        options: Options of the command.
        data: Data set, on whose size default recipes depend.
    """
    from oneshot.algorithms.registry import algorithm, preset
    from oneshot.algorithms.training import augmentation_settings
    from oneshot.run_settings import SUPERNET

    algorithm_class = algorithm(name)
    num_images = len(data.train)
    base = preset(name, algorithm_options, num_images)
    default_recipe = algorithm_class.default_recipe(base, space.name, num_images)
    settings = replace(
        run_settings(SUPERNET, space, recipe(options, default_recipe), options, data),
        algorithm=name,
        affine=algorithm_class.affine_supernet,
        augmentation=augmentation_settings(
            space.name,
            num_images,
            options["augment"],
            options["colour_jitter"],
            options["mosaic"],
        ),
    )
    if algorithm_class.searches_architecture:
        return replace(settings, search=_search_settings(base, options))
    return replace(settings, sampler=_sampler_settings(options))


def _recorded(options: dict[str, Any]) -> RunSettings | None:
    """Return the settings of the run that is resumed; None: a new run."""
    from oneshot.run import SETTINGS, read_run

    folder = options["output"]
    if not options["resume"] or not (folder / SETTINGS).exists():
        return None
    return read_run(folder).settings


def _refuse_foreign_options(name: str, searches: bool, options: dict[str, Any]) -> None:
    """Refuse options that are for the other kind of algorithm."""
    from oneshot.algorithms.registry import FOR_ARCHITECTURES
    from oneshot.errors import InvalidOption

    if searches:
        if options["sampler"] != "uniform" or options["cost_range"] or options["table"]:
            raise InvalidOption(f"--sampler, --cost-range and --table are for spos, not for {name}")
        return
    for option in FOR_ARCHITECTURES:
        if options[option]:
            raise InvalidOption(
                f"--{option.replace('_', '-')} is for algorithms that train an architecture, not"
                f" for {name}"
            )


def _charge(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Set the target of a charge, and return the algorithm's options that it stands for."""
    from oneshot.algorithms.registry import ALGORITHMS as REGISTRY
    from oneshot.errors import InvalidOption
    from oneshot.search.charge import Charge

    if options["charge"] is None:
        return {}
    if "power_above" not in REGISTRY.options(name):
        raise InvalidOption(f"--charge is for algorithms with a cost in their loss, not for {name}")
    if options["target"] is not None or options["constraint"] is not None:
        raise InvalidOption("--charge names the cost itself; leave out --target and --constraint")

    charge = Charge.parse(options["charge"])
    options["target"] = charge.target
    return {
        "form": "mul#power",
        "reference": charge.budget,
        "power_above": charge.above,
        "power_below": charge.below,
    }


def _sampler_settings(options: dict[str, Any]) -> SamplerSettings:
    from oneshot.samplers.settings import SamplerSettings

    cost_range = tuple(options["cost_range"]) if options["cost_range"] else None
    return SamplerSettings(options["sampler"], options["bins"], cost_range, options["table"])


def _search_settings(base: Preset, options: dict[str, Any]) -> SearchSettings:
    from dataclasses import asdict

    from oneshot.run_settings import SearchSettings

    schedules = {name: schedule.to_dict() for name, schedule in base.schedules.items()}
    return SearchSettings(
        # By way of JSON, so that they equal those that a resumed run reads.
        options=json.loads(json.dumps({**asdict(base.options), **schedules})),
        target=options["target"],
        constraint=options["constraint"],
        margin=options["margin"],
        with_network=options["with_network"],
    )


def _check(run: Run, data: ImageData) -> None:
    """Refuse settings that do not fit together before anything is written."""
    import torch

    from oneshot.errors import InvalidOption

    search = run.settings.search
    if search is not None and search.with_network and run.space.network_space is not run.space:
        raise InvalidOption(
            f"with_network: the search network {run.space.name} has no weights for the networks of"
            f" {run.space.network_space.name}; train the result by retrain"
        )

    from oneshot.algorithms.training import make_algorithm
    from oneshot.data.structured import check_inputs
    from spaces.modules.supernet import Supernet

    check_inputs(data, run.space)
    data.check_batch(run.settings.recipe.batch_size)
    augmentation = run.settings.augmentation
    if augmentation is not None:
        augmentation.apply(data.train).epochs(1, 0, augment=augmentation.augment)
    steps = len(data.train) // min(run.settings.recipe.batch_size, len(data.train))
    with torch.device("cpu"):
        supernet = run.build()
        assert isinstance(supernet, Supernet)
        training = make_algorithm(run, supernet, data)
        training.optimizers(training.recipe.updates(max(1, steps)))


def _note_missing_margin(run: Run) -> None:
    """Print that a constraint keeps no margin, where its table has no deviation."""
    from oneshot.algorithms.training import bound_constraint

    constraint = bound_constraint(run)
    if constraint is not None and constraint.margin_note is not None:
        click.echo(constraint.margin_note, err=True)


def _print_architecture(run: Run, with_network: bool) -> None:
    """Print the cost of the resulting architecture and the commands that use it."""
    from oneshot.algorithms.results import ARCHITECTURE, NETWORK, REPORT

    report = json.loads((run.folder / REPORT).read_text(encoding="utf-8"))
    if report.get("predicted_cost") is not None:
        click.echo(f"predicted {report['metric']}: {report['predicted_cost']:.6g} {report['unit']}")
    path = run.folder / ARCHITECTURE
    click.echo(
        f"wrote {path}; train its network by: python -m oneshot retrain --arch {path} -o network"
    )
    if with_network:
        network = run.folder / NETWORK
        click.echo(f"wrote {network}; test it by: python -m oneshot test {network}")
