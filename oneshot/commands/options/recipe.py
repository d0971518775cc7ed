"""Options of the recipe of a training, and the recipe that they become."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from oneshot.training.recipe import Recipe

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
