"""Options that commands share which make tables of other devices."""

from __future__ import annotations

import click

from spaces.console.options import with_options
from tables.conditions import PRECISIONS

recorded_conditions = with_options(
    click.option(
        "--backend", default="unknown", show_default=True, help="Runtime, such as tflite."
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Batch size of the measurement.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="fp32",
        show_default=True,
        help="Precision of the measured networks.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Number of threads of the measurement.",
    ),
)
"""Adds the conditions of a measurement that was made elsewhere, which its files do not record.

The command receives `backend`, `batch`, `precision` and `threads`.
"""
