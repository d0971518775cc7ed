"""Options of runs, and the execution, the settings and the run that they become."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import POSITIVE, SEED, TASK, UNDER
from oneshot.commands.options.data import DATA
from oneshot.commands.options.recipe import RECIPE
from oneshot.training.execution import PRECISIONS
from spaces.console.group import command_line
from spaces.console.options import Command, with_options
from spaces.console.outputs import OUTPUT_FOLDER

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from oneshot.run_settings import RunSettings
    from oneshot.training.execution import Execution
    from oneshot.training.recipe import Recipe
    from spaces.space import SearchSpace

EXECUTION = [
    click.option(
        "--devices",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Number of processes, each with a device.",
    ),
    click.option(
        "--accelerator",
        type=click.Choice(["auto", "cpu", "gpu"]),
        default="auto",
        show_default=True,
        help="Kind of device to train on.",
    ),
    click.option(
        "--precision",
        type=click.Choice(tuple(PRECISIONS)),
        default="fp32",
        show_default=True,
        help="Number format of the computation.",
    ),
    click.option(
        "--sync-batch-norm",
        is_flag=True,
        help="Normalise by the batch of all devices rather than by each device's.",
    ),
    click.option(
        "--accumulate",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Number of parts in which a device processes its batch.",
    ),
    click.option(
        "--checkpoint-every",
        type=POSITIVE,
        default=500,
        show_default=True,
        help="Updates between two checkpoints.",
    ),
    click.option(
        "--report-every",
        type=POSITIVE,
        default=50,
        show_default=True,
        help="Updates between two reports.",
    ),
    click.option(
        "--tensorboard/--no-tensorboard",
        default=True,
        show_default=True,
        help="Whether to write curves for TensorBoard.",
    ),
]

RUN = [
    click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all randomness."),
    click.option("--threads", type=POSITIVE, default=None, help="Number of torch's threads."),
    click.option("--resume", is_flag=True, help="Resume an interrupted run of the same settings."),
    click.option(
        "-o",
        "--output",
        type=OUTPUT_FOLDER,
        required=True,
        help="Folder of the run.",
    ),
]


def recipe_options(command: Command) -> Command:
    """Add the options of data, recipe, execution and run to `train` and `retrain`."""
    return with_options(*DATA, TASK, UNDER, *RECIPE, *EXECUTION, *RUN)(command)


def execution(options: dict[str, Any]) -> Execution:
    """Return the devices, the precision, and the intervals of checkpoints and reports."""
    from oneshot.training.execution import Execution

    return Execution(**{field.name: options[field.name] for field in fields(Execution)})


def run_settings(
    kind: str, space: SearchSpace, recipe: Recipe, options: dict[str, Any], data: ImageData
) -> RunSettings:
    """Return the settings that runs of all kinds have.

    Args:
        kind: `supernet` or `network`.
        space: Space of the run.
        recipe: Training of the weights.
        options: Values of the command's options.
        data: Data set of the run.
    """
    from oneshot.perturbations.conditions import Conditions
    from oneshot.run_settings import RunSettings
    from oneshot.tasks.registry import DEFAULT, canonical
    from spaces import __version__

    return RunSettings(
        kind=kind,
        space=space.name,
        data=data.record(),
        recipe=recipe,
        seed=options["seed"],
        execution=execution(options),
        version=__version__,
        command=command_line(),
        task=canonical(options["task"] or DEFAULT),
        under=tuple(Conditions.parse(options["under"]).texts()),
    )


def begin_run(settings: RunSettings, options: dict[str, Any]) -> Run:
    """Begin a run, or resume the one of the output with the conditions that it records.

    Args:
        settings: Settings of the run.
        options: Values of the command's options.

    Raises:
        InvalidRun: The folder has a run of other settings, or one that is not to be resumed.
    """
    from oneshot.run import begin

    run = begin(options["output"], settings, options["resume"])
    if run.settings.under and not settings.under:
        recorded = " ".join(f"--under {text}" for text in run.settings.under)
        click.echo(f"resumes under the conditions that the run records: {recorded}", err=True)
    return run


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """End the command with a hint on --resume where Ctrl-C stops a training in the block."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        from oneshot.training.stop import Stopped

        if not isinstance(interrupt, Stopped):
            raise
        click.echo(str(interrupt), err=True)

        # 128 + SIGINT, as shells report it.
        raise SystemExit(130) from interrupt
