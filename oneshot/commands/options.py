"""Options that several commands share, and what they become."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spaces.console.group import command_line

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run_settings import RunSettings
    from oneshot.training.execution import Execution
    from oneshot.training.recipe import Recipe
    from spaces.space import SearchSpace

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
SEED = click.IntRange(0, 2**32 - 1)  # torch's seeds of steps are made of it, and have 64 bits
POSITIVE = click.IntRange(min=1)
Command = Callable[..., Any]

DATA = [
    click.option(
        "--data",
        default="digits",
        show_default=True,
        help="A data set: its name, NAME:PATH, or a folder.",
    ),
    click.option(
        "--loader", type=click.Choice(["auto", "torch", "dali"]), default="auto", show_default=True
    ),
    click.option(
        "--spos-preprocessing",
        is_flag=True,
        help="BGR from 0 to 255, as the SPOS release reads images.",
    ),
    click.option(
        "--limit", type=POSITIVE, default=None, help="Take at most so many images of each part."
    ),
    click.option(
        "--validation",
        type=POSITIVE,
        default=None,
        help="Images cut from the training part for ranking.",
    ),
]

RECIPE = [
    click.option(
        "--epochs", type=int, default=None, help="Passes over the training images.  [default: 60]"
    ),
    click.option("--steps", type=int, default=None, help="Updates, in place of epochs."),
    click.option(
        "--batch-size",
        type=int,
        default=None,
        help="Images an update, over all devices.  [default: 64]",
    ),
    click.option("--learning-rate", type=float, default=None, help="The greatest.  [default: 0.1]"),
    click.option(
        "--schedule",
        type=click.Choice(["linear", "cosine", "constant"]),
        default=None,
        help="Its way to 0.",
    ),
    click.option(
        "--warmup", type=int, default=None, help="Updates in which it rises first.  [default: 0]"
    ),
    click.option("--momentum", type=float, default=None, help="[default: 0.9]"),
    click.option(
        "--nesterov/--no-nesterov",
        default=None,
        help="Nesterov's momentum.  [default: no-nesterov]",
    ),
    click.option(
        "--weight-decay",
        type=float,
        default=None,
        help="Not of biases and normalisation.  [default: 4e-5]",
    ),
    click.option("--label-smoothing", type=float, default=None, help="[default: 0.1]"),
    click.option("--clip", type=float, default=None, help="Greatest norm of an update's gradient."),
]

EXECUTION = [
    click.option(
        "--devices",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Processes with a device each.",
    ),
    click.option(
        "--accelerator",
        type=click.Choice(["auto", "cpu", "gpu"]),
        default="auto",
        show_default=True,
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        show_default=True,
    ),
    click.option(
        "--sync-batch-norm",
        is_flag=True,
        help="Normalise by the whole batch, not by each device's part of it.",
    ),
    click.option(
        "--accumulate",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Parts a device takes a batch in.",
    ),
    click.option(
        "--checkpoint-every", type=POSITIVE, default=500, show_default=True, help="Updates."
    ),
    click.option("--report-every", type=POSITIVE, default=50, show_default=True, help="Updates."),
    click.option("--tensorboard/--no-tensorboard", default=True, show_default=True),
]

RUN = [
    click.option("--seed", type=SEED, default=0, show_default=True),
    click.option("--threads", type=POSITIVE, default=None, help="Torch threads."),
    click.option(
        "--resume", is_flag=True, help="Go on with an interrupted run of the same settings."
    ),
    click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True),
]


def recipe_options(command: Command) -> Command:
    """The options of data, recipe, execution and run, shared by `train` and `retrain`."""
    for option in reversed([*DATA, *RECIPE, *EXECUTION, *RUN]):
        command = option(command)
    return command


def load_data(options: dict[str, Any], input_shape: tuple[int, int, int]) -> ImageData:
    """The data set that the options name."""
    from oneshot.data.registry import load

    preprocessing = "spos" if options["spos_preprocessing"] else "standard"
    names = ("loader", "limit", "validation")
    return load(
        options["data"],
        input_shape,
        preprocessing=preprocessing,
        **{name: options[name] for name in names},
    )


def recipe(options: dict[str, Any], default: Recipe | None = None) -> Recipe:
    """The recipe that the options give, from `default` where they are silent."""
    from oneshot.errors import InvalidOption
    from oneshot.training.recipe import Recipe

    names = [field.name for field in fields(Recipe)]
    given = {name: options[name] for name in names if options[name] is not None}
    if "epochs" in given:
        if "steps" in given:
            raise InvalidOption("give epochs or steps, not both")
        given["steps"] = None
    return replace(default or Recipe(), **given)


def execution(options: dict[str, Any]) -> Execution:
    """Devices, precision, and what is written how often."""
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
    from oneshot.run_settings import RunSettings
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
    )


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Within it, a training that Ctrl-C stopped ends the command with a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        from oneshot.training.stop import Stopped

        if not isinstance(interrupt, Stopped):
            raise
        click.echo(str(interrupt), err=True)
        raise SystemExit(130) from interrupt


def set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
