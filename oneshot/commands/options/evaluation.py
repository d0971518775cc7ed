"""Options of the commands that evaluate architectures by a supernet."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import POSITIVE, SEED, UNDER
from oneshot.evaluation.settings import PRECISIONS, STATISTICS
from spaces.console.options import Command, with_options

if TYPE_CHECKING:
    from oneshot.evaluation.work import SupernetEvaluation
    from oneshot.run import Run

OPTIONS = [
    click.option(
        "--task",
        default=None,
        help="Task that has the metrics, with options.  [default: the task of the training]",
    ),
    UNDER,
    click.option(
        "--images",
        type=POSITIVE,
        default=8000,
        show_default=True,
        help="Number of validation images, the same for every architecture.",
    ),
    click.option(
        "--recalibration-batches",
        type=POSITIVE,
        default=200,
        show_default=True,
        help="Batches of training images that batch normalisation is recalibrated on.",
    ),
    click.option(
        "--recalibration-batch-size",
        type=POSITIVE,
        default=128,
        show_default=True,
        help="Images per batch of the recalibration.",
    ),
    click.option(
        "--images-seed",
        type=SEED,
        default=0,
        show_default=True,
        help="Seed of the selection of images.",
    ),
    click.option(
        "--batch-size",
        type=POSITIVE,
        default=250,
        show_default=True,
        help="Validation images per batch.",
    ),
    click.option(
        "--statistics",
        type=click.Choice(STATISTICS),
        default=STATISTICS[0],
        show_default=True,
        help="Statistics of batch normalisation: recalibrated for each architecture, or those of"
        " each validation batch, as in aw_nas, which depend on --batch-size.",
    ),
    click.option(
        "--surrogate-steps",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Updates of each architecture's weights before its evaluation, by SGD on the images of"
        " the recalibration; the supernet stays as it is.",
    ),
    click.option(
        "--surrogate-learning-rate",
        type=click.FloatRange(min=0, min_open=True),
        default=0.01,
        show_default=True,
        help="Learning rate of --surrogate-steps.",
    ),
    click.option(
        "--device", default="cpu", show_default=True, help="Device: cpu, gpu, gpu:1 or auto."
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="fp32",
        show_default=True,
        help="Number format of the computation.",
    ),
    click.option(
        "--threads",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Torch's threads per process; the last digits of results depend on them.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Evaluate in this process, or in several by Ray.",
    ),
    click.option(
        "--workers",
        type=POSITIVE,
        default=None,
        help="Number of Ray's processes.  [default: by the number of cores]",
    ),
    click.option(
        "--address",
        default=None,
        help="Address of a running Ray cluster.  [default: a cluster for this command]",
    ),
]


def evaluation_options(command: Command) -> Command:
    """Add the options to a command."""
    return with_options(*OPTIONS)(command)


def supernet_evaluation(run: Run, options: dict[str, Any]) -> SupernetEvaluation:
    """Return the evaluation that the options describe."""
    from oneshot.evaluation.settings import EvaluationSettings
    from oneshot.evaluation.work import SupernetEvaluation

    # --seed of these commands is the search's or the sample's.
    values = {**options, "seed": options["images_seed"]}
    settings = EvaluationSettings(
        **{field.name: values[field.name] for field in fields(EvaluationSettings)}
    )
    names = ("device", "threads", "engine", "workers", "address", "task", "under")
    return SupernetEvaluation(run, settings, **{name: options[name] for name in names})
