"""The options by which a longer guide chooses among the best networks of a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spaces.console.options import with_options

if TYPE_CHECKING:
    from oneshot.search.result import SearchResult

# One network alone is chosen already.
_LEAST = 2

finalist_options = with_options(
    click.option(
        "--finalists",
        "num_finalists",
        type=click.IntRange(min=_LEAST),
        default=None,
        help="Number of best networks that --final-guide scores, and chooses from.",
    ),
    click.option(
        "--final-guide",
        "final_guide_text",
        default=None,
        help="Guide of the finalists, which takes longer than --guide: train:DATA or another one.",
    ),
)
"""Decorator that adds the options to a command."""


def finalists_guide(count: int | None, guide_text: str | None) -> list[str]:
    """Return the text of the finalists' guide in a list; an empty list where there are none.

    Args:
        count: Value of `--finalists`.
        guide_text: Value of `--final-guide`.

    Raises:
        click.UsageError: One of the options is missing.
    """
    if count is None and guide_text is None:
        return []
    if count is None:
        raise click.UsageError("--final-guide is for --finalists; add --finalists 8")
    if guide_text is None:
        raise click.UsageError("--finalists needs their guide; add --final-guide train:DATA")
    return [guide_text]


def stored_finalists(output: Path) -> Path:
    """Return the path whose name the files of the finalists' evaluations begin with.

    Args:
        output: File of the result, next to which they are.
    """
    return output.with_name(f"{output.name}.finalists")


def echo_finalists(first: SearchResult, final: SearchResult) -> None:
    """Print the finalists, best first, with what the first guide said of them."""
    guide = first.guide.get("name", first.guide["kind"])
    click.echo(f"{len(final)} finalists of {len(first)} networks that {guide} scored:")
    ranks = final.strategy["options"]["ranks"]
    for score, deviation, rank in zip(final.scores, final.deviations, ranks, strict=True):
        error = f" +- {deviation:.2g}" if deviation else ""
        click.echo(f"  score {score:.4g}{error}; before rank {rank + 1}, {first.scores[rank]:.4g}")
