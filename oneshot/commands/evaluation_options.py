"""The options of commands that evaluate by a supernet."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options import POSITIVE, SEED, Command

if TYPE_CHECKING:
    from oneshot.evaluation.work import SupernetEvaluation
    from oneshot.run import Run

OPTIONS = [
    click.option(
        "--images",
        type=POSITIVE,
        default=8000,
        show_default=True,
        help="Validation images, always the same.",
    ),
    click.option(
        "--recalibration-batches",
        type=POSITIVE,
        default=200,
        show_default=True,
        help="Batches of training images that statistics of batch normalisation are computed on.",
    ),
    click.option("--recalibration-batch-size", type=POSITIVE, default=128, show_default=True),
    click.option(
        "--images-seed",
        type=SEED,
        default=0,
        show_default=True,
        help="Of the images that are drawn.",
    ),
    click.option(
        "--batch-size",
        type=POSITIVE,
        default=250,
        show_default=True,
        help="Validation images at a time.",
    ),
    click.option("--device", default="cpu", show_default=True, help="cpu, gpu, gpu:1 or auto."),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        show_default=True,
    ),
    click.option(
        "--threads",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Torch threads of each process; last digits depend on them.",
    ),
    click.option(
        "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True
    ),
    click.option(
        "--workers",
        type=POSITIVE,
        default=None,
        help="Processes of ray.  [default: as cores allow]",
    ),
    click.option(
        "--address", default=None, help="Of a running Ray cluster.  [default: one for this command]"
    ),
]


def evaluation_options(command: Command) -> Command:
    """Add the options."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def supernet_evaluation(run: Run, options: dict[str, Any]) -> SupernetEvaluation:
    """What the options say."""
    from oneshot.evaluation.settings import EvaluationSettings
    from oneshot.evaluation.work import SupernetEvaluation

    given = {**options, "seed": options["images_seed"]}
    settings = EvaluationSettings(
        **{field.name: given[field.name] for field in fields(EvaluationSettings)}
    )
    names = ("device", "threads", "engine", "workers", "address")
    return SupernetEvaluation(run, settings, **{name: options[name] for name in names})
