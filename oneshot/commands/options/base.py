"""Types of option values, options of many commands, and decorators that add options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tables.metrics import MARGIN

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# A step's seed for torch combines it with the step's number in 64 bits.
SEED = click.IntRange(0, 2**32 - 1)
POSITIVE = click.IntRange(min=1)

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

MARGIN_OPTION = click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=MARGIN,
    show_default=True,
    help="Deviations that estimates stay below a limit.",
)


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
