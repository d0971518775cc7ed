"""The front of a search as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from oneshot.search.result import SearchResult

MAX_ROWS = 10
"""Networks that the table has at most."""

# Metrics that are shown in millions.
_MILLIONS = ("macs", "binary_macs", "params", "memory_bytes")


def front_table(result: SearchResult) -> Table:
    """Build a table of the front from the best to the cheapest network.

    A front of more than `MAX_ROWS` networks is thinned out evenly.

    Args:
        result: Result of a search.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    ranks = result.front()
    criteria = ", ".join(["score", *result.objectives[:-1]]) + f" and {result.objectives[-1]}"
    count = f"{MAX_ROWS} of the {len(ranks)}" if len(ranks) > MAX_ROWS else f"the {len(ranks)}"
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{count} networks that none beats in {criteria}",
        title_justify="left",
        title_style="",
    )
    # Objectives first, each metric once.
    metrics = [*dict.fromkeys([*result.objectives, *result.costs])]
    for heading in ("score", *map(_heading, metrics)):
        table.add_column(heading, justify="right", no_wrap=True)

    table.add_column("network", no_wrap=True, overflow="ellipsis")
    for rank in _thin_out(ranks):
        candidate = result.candidate(rank)
        score = f"{candidate.score:.4g}"
        if candidate.deviation:
            score += f" ± {candidate.deviation:.2g}"
        costs = [_format_cost(metric, candidate.costs[metric]) for metric in metrics]
        choices = " ".join(map(str, candidate.architecture.choices.values()))
        table.add_row(score, *costs, Text(choices))

    return table


def _thin_out(ranks: list[int]) -> list[int]:
    if len(ranks) <= MAX_ROWS:
        return ranks
    # Both ends remain: the best and the cheapest network.
    step = (len(ranks) - 1) / (MAX_ROWS - 1)
    return [ranks[round(row * step)] for row in range(MAX_ROWS)]


def _heading(metric: str) -> str:
    return f"{metric} (M)" if metric.partition("@")[0] in _MILLIONS else metric


def _format_cost(metric: str, value: float) -> str:
    return f"{value / 1e6:.4g}" if metric.partition("@")[0] in _MILLIONS else f"{value:.4g}"
