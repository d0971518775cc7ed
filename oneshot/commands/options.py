"""Options that several commands share, and the values that they become."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.training.execution import PRECISIONS
from spaces.console.group import command_line
from spaces.console.outputs import OUTPUT_FOLDER
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from oneshot.run_settings import RunSettings
    from oneshot.training.execution import Execution
    from oneshot.training.recipe import Recipe
    from spaces.space import SearchSpace

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# A step's seed for torch combines it with the step's number in 64 bits.
SEED = click.IntRange(0, 2**32 - 1)
POSITIVE = click.IntRange(min=1)
Command = Callable[..., Any]

LOADING = [
    click.option(
        "--loader",
        type=click.Choice(["auto", "torch", "dali"]),
        default="auto",
        show_default=True,
        help="Library that loads images.",
    ),
    click.option(
        "--spos-preprocessing",
        is_flag=True,
        help="Images in BGR from 0 to 255, as in the release of SPOS.",
    ),
    click.option(
        "--limit", type=POSITIVE, default=None, help="Largest number of images of each part."
    ),
    click.option(
        "--validation",
        type=POSITIVE,
        default=None,
        help="Number of training images that form the validation part.",
    ),
    click.option(
        "--level",
        type=click.Choice(["words", "characters"]),
        default=None,
        help="Tokens of a text.  [default: words]",
    ),
    click.option(
        "--split",
        type=float,
        nargs=3,
        default=None,
        help="Fractions of a single text file for training, validation and test.  [default: 0.9"
        " 0.05 0.05]",
    ),
    click.option(
        "--encoding", default=None, help="Encoding of the files of a text.  [default: utf-8]"
    ),
]

DATA = [
    click.option(
        "--data",
        default="digits",
        show_default=True,
        help="Data set: a name, NAME:PATH (such as text:FOLDER) or a folder of images.",
    ),
    *LOADING,
]

TASK = click.option(
    "--task",
    default=None,
    help="Task, with options: NAME or NAME(option=1); see `pathfit list task`."
    "  [default: classification]",
)

UNDER = click.option(
    "--under",
    multiple=True,
    help="Perturbation with its weight in loss and score, such as clean=0.5; may be repeated."
    " Passes of each: clean and corrupt 1, int8 and weight-faults about 1.5, fgsm 2, feature-faults"
    " 3, pgd 8; see `pathfit list perturbation`.",
)

RECIPE = [
    click.option(
        "--epochs",
        type=int,
        default=None,
        help="Number of passes over the training images.  [default: 60]",
    ),
    click.option("--steps", type=int, default=None, help="Number of updates, instead of --epochs."),
    click.option(
        "--batch-size",
        type=int,
        default=None,
        help="Images per update, over all devices.  [default: 64]",
    ),
    click.option(
        "--learning-rate", type=float, default=None, help="Largest learning rate.  [default: 0.1]"
    ),
    click.option(
        "--schedule",
        type=click.Choice(["linear", "cosine", "constant"]),
        default=None,
        help="Decay of the learning rate to 0.",
    ),
    click.option(
        "--warmup",
        type=int,
        default=None,
        help="Updates in which the learning rate rises.  [default: 0]",
    ),
    click.option(
        "--optimizer",
        type=click.Choice(["sgd", "adamw"]),
        default=None,
        help="Optimizer of the weights; transformers need adamw.  [default: sgd]",
    ),
    click.option(
        "--momentum",
        type=float,
        default=None,
        help="Momentum of SGD, or AdamW's decay of the mean gradient.  [default: 0.9]",
    ),
    click.option(
        "--nesterov/--no-nesterov",
        default=None,
        help="Whether to use Nesterov's momentum.  [default: no-nesterov]",
    ),
    click.option(
        "--weight-decay",
        type=float,
        default=None,
        help="Decay of weights, but not of biases and normalisation.  [default: 4e-5]",
    ),
    click.option(
        "--label-smoothing",
        type=float,
        default=None,
        help="Fraction of label smoothing.  [default: 0.1]",
    ),
    click.option("--clip", type=float, default=None, help="Largest norm of an update's gradient."),
]

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

SAMPLE = [
    click.option(
        "-n",
        "count",
        type=POSITIVE,
        default=200,
        show_default=True,
        help="Number of architectures in the sample.",
    ),
    click.option(
        "--archs",
        type=FILE,
        default=None,
        help="File of architectures to take instead of a uniform sample.",
    ),
]

AUGMENT = [
    click.option(
        "--augment/--no-augment",
        default=None,
        help="Whether to augment images.  [default: from 10000 training images on]",
    ),
    click.option(
        "--colour-jitter",
        type=float,
        default=None,
        help="Strength for brightness, contrast and saturation, 0 to 1.",
    ),
    click.option(
        "--mosaic",
        type=click.FloatRange(0, 1),
        default=None,
        help="Probability that four images with boxes or masks share the input.  [default: 0]",
    ),
]

MARGIN_OPTION = click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=MARGIN,
    show_default=True,
    help="Deviations that estimates stay below a limit.",
)

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


def with_options(*options: Command) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command, in this order."""

    def decorate(command: Command) -> Command:
        # The last decorator's option is the first in the help.
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def recipe_options(command: Command) -> Command:
    """Add the options of data, recipe, execution and run to `train` and `retrain`."""
    return with_options(*DATA, TASK, UNDER, *RECIPE, *EXECUTION, *RUN)(command)


def load_data(options: dict[str, Any], input_shape: tuple[int, int, int]) -> ImageData:
    """Load the data set that the options name."""
    from oneshot.data.registry import load

    preprocessing = "spos" if options["spos_preprocessing"] else "standard"
    names = ("loader", "limit", "validation")
    return load(
        options["data"],
        input_shape,
        preprocessing=preprocessing,
        text=text_options(options),
        **{name: options[name] for name in names},
    )


def text_options(options: dict[str, Any]) -> dict[str, Any] | None:
    """Return the options of texts that are set; None: none is."""
    names = ("level", "split", "encoding")
    return {name: options[name] for name in names if options[name] is not None} or None


def recipe(options: dict[str, Any], default: Recipe | None = None) -> Recipe:
    """Return the recipe of the options; values of `default` replace those that are not given."""
    from oneshot.errors import InvalidOption
    from oneshot.training.recipe import Recipe

    names = [field.name for field in fields(Recipe)]
    values = {name: options[name] for name in names if options[name] is not None}
    if "epochs" in values:
        if "steps" in values:
            raise InvalidOption("give epochs or steps, not both")

        # A default in steps would override the epochs.
        values["steps"] = None
    return replace(default or Recipe(), **values)


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


def name_and_value(text: str, example: str, option: str = "--option") -> tuple[str, Any]:
    """Parse an option NAME=VALUE; the value is a JSON number, or else text.

    Args:
        text: Value of the option.
        example: Example for the error.
        option: Name of the option, for the error.

    Raises:
        InvalidOption: The name or the value is missing.
    """
    from oneshot.errors import InvalidOption

    name, separator, value = text.partition("=")
    if not separator or not name.strip() or not value.strip():
        raise InvalidOption(f"{option} {text!r}: write NAME=VALUE, such as {example}")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value.strip()


def set_threads(threads: int | None) -> None:
    """Set the number of torch's threads; None leaves it."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
