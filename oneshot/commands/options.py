"""Options that several commands share, and what they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spaces.console import typed

if TYPE_CHECKING:
    from oneshot.recipe import Recipe
    from spaces.space import SearchSpace

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
SEED = click.IntRange(0, 2**32 - 1)  # torch's seeds of steps are made of it, and have 64 bits


def recipe_options(command: Any) -> Any:
    """The options of a recipe and of the data, shared by `train` and `retrain`."""
    for option in reversed(
        [
            click.option("--data", default="digits", show_default=True, help="The data set."),
            click.option("--epochs", type=int, default=60, show_default=True),
            click.option("--batch-size", type=int, default=64, show_default=True),
            click.option("--learning-rate", type=float, default=0.1, show_default=True, help="Falls linearly to 0."),
            click.option("--weight-decay", type=float, default=4e-5, show_default=True),
            click.option("--label-smoothing", type=float, default=0.1, show_default=True),
            click.option("--seed", type=SEED, default=0, show_default=True),
            click.option("--threads", type=click.IntRange(min=1), default=None, help="Torch threads."),
            click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same settings."),
            click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True),
        ]
    ):
        command = option(command)
    return command


def recipe(options: dict[str, Any]) -> Recipe:
    from oneshot.recipe import Recipe

    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing")
    return Recipe(**{name: options[name] for name in names})


def run_settings(kind: str, space: SearchSpace, recipe: Recipe, options: dict[str, Any]) -> dict[str, Any]:
    from oneshot.data.registry import load
    from spaces import __version__

    data = load(options["data"], space.input_shape)
    return {
        "kind": kind,
        "space": space.name,
        "data": {"name": data.name, "split_seed": data.split_seed, "num_classes": data.num_classes},
        "recipe": recipe.to_dict(),
        "seed": options["seed"],
        "version": __version__,
        "command": typed(),
    }


def name_and_value(text: str) -> tuple[str, Any]:
    from oneshot.errors import InvalidOption

    key, separator, value = text.partition("=")
    try:
        if not separator:
            raise ValueError
        return key, json.loads(value)
    except ValueError as error:
        raise InvalidOption(f"--option {text!r}: write NAME=NUMBER, such as generations=10") from error


def set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
