"""The verdict as a table in a terminal."""

from __future__ import annotations

import math

import click

from predictor.verdict.verdict import Figure, Verdict, percentage


def print_verdict(verdict: Verdict) -> None:
    """Print the sentence and one row for each figure."""
    from rich.console import Console
    from rich.table import Column, Table

    numbers = [
        Column(name, no_wrap=True, justify="right") for name in ("value", "95% interval", "chance")
    ]
    table = Table("figure", *numbers)
    for figure in verdict.figures:
        interval = ""
        if not math.isnan(figure.low):
            interval = f"{_cell(figure, figure.low)} to {_cell(figure, figure.high)}"
        value = _cell(figure, figure.value)
        table.add_row(figure.title, value, interval, _cell(figure, figure.chance))
    tied = f", {verdict.num_tied} of which share their score" if verdict.num_tied else ""
    click.echo(f"{verdict.num_networks} networks{tied}")
    Console().print(table)
    click.echo(verdict.sentence())


def _cell(figure: Figure, value: float) -> str:
    if math.isnan(value):
        return "-"
    if figure.name in ("best_rank", "worst_rank"):
        return percentage(value)
    return f"{value:.3f}"
